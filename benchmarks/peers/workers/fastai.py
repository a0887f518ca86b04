"""fastai's Learner; without the import of its progress bar it is silent."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from torch.utils.data import TensorDataset

from benchmarks.peers.workers import torch_nets
from benchmarks.peers.workers.adapter import Library


class Driver(Library):
    """fastai on one job."""

    def net(self, seed: int) -> Learner:
        kind, options = torch_nets.optimizer_options(self.job)
        optimizer: Callable[..., Any] = partial(OptimWrapper, opt=partial(kind, **options))
        nothing = DataLoaders(DataLoader([], bs=self.job.batch), device="cpu")
        module, loss_of = torch_nets.make(self.job, seed), torch_nets.loss_of(self.job)()
        return Learner(nothing, module, loss_of, optimizer, lr=options["lr"])

    def _batches(self, shuffle: bool, x: np.ndarray, *y: np.ndarray) -> DataLoader:
        rows = TensorDataset(torch_nets.tensors(x), *map(torch.from_numpy, y))
        return DataLoader(rows, bs=self.job.batch, shuffle=shuffle, num_workers=0, device=torch.device("cpu"))

    def fit(self, net: Learner, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
        net.dls = DataLoaders(self._batches(True, x, y), self._batches(False, x[:0], y[:0]))
        with net.no_logging():
            net.fit(epochs)

    def predict(self, net: Learner, x: np.ndarray) -> np.ndarray:
        found, _ = net.get_preds(dl=self._batches(False, x), act=torch.nn.Identity())
        return torch_nets.outputs(self.job, found)
