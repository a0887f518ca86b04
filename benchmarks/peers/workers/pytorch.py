"""The loop that careful users of PyTorch write: no DataLoader, rows shuffled once an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers.workers import torch_nets
from benchmarks.peers.workers.adapter import Library


@dataclass
class Net:
    """A module and its optimizer."""

    module: nn.Module
    optimizer: torch.optim.Optimizer


class Driver(Library):
    """Plain PyTorch on one job, channels-first or channels-last."""

    def _inputs(self, x: np.ndarray) -> Tensor:
        inputs = torch_nets.tensors(x)
        last = self.peer == "pytorch-channels-last"
        return inputs.to(memory_format=torch.channels_last) if last else inputs

    def net(self, seed: int) -> Net:
        module = torch_nets.make(self.job, seed)
        if self.peer == "pytorch-channels-last":
            module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer, options = torch_nets.optimizer_options(self.job)
        return Net(module, optimizer(module.parameters(), **options))

    def fit(self, net: Net, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
        inputs, targets = self._inputs(x), torch.from_numpy(y)
        loss_of = torch_nets.loss_of(self.job)()
        net.module.train()
        for _ in range(epochs):
            for rows in torch.randperm(len(inputs)).split(self.job.batch):
                loss = loss_of(net.module(inputs[rows]), targets[rows])
                net.optimizer.zero_grad()
                loss.backward()
                net.optimizer.step()

    @torch.no_grad()
    def predict(self, net: Net, x: np.ndarray) -> np.ndarray:
        net.module.eval()
        return torch_nets.outputs(self.job, net.module(self._inputs(x)))
