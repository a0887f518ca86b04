"""Lightning, without logger, checkpoints and progress bar."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.jobs import Job
from benchmarks.peers.workers import torch_nets
from benchmarks.peers.workers.adapter import Library

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning")


class Module(lightning.LightningModule):
    """A net that knows how it is trained; its optimizer lives from one `fit` to the next."""

    def __init__(self, job: Job, seed: int) -> None:
        super().__init__()
        self.net, self.loss_of = torch_nets.make(job, seed), torch_nets.loss_of(job)()
        optimizer, options = torch_nets.optimizer_options(job)
        self.optimizer = optimizer(self.net.parameters(), **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        return self.loss_of(self(batch[0]), batch[1])

    def predict_step(self, batch: tuple[Tensor], _: int) -> Tensor:
        return self(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer


class Driver(Library):
    """Lightning on one job."""

    def net(self, seed: int) -> Module:
        return Module(self.job, seed)

    def fit(self, net: Module, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
        rows = TensorDataset(torch_nets.tensors(x), torch.from_numpy(y))
        self._trainer(max_epochs=epochs).fit(net, DataLoader(rows, self.job.batch, shuffle=True))

    def predict(self, net: Module, x: np.ndarray) -> np.ndarray:
        batches = DataLoader(TensorDataset(torch_nets.tensors(x)), self.job.batch)
        found: Any = self._trainer().predict(net, batches)
        return torch_nets.outputs(self.job, torch.cat(found))

    def _trainer(self, **options: Any) -> lightning.Trainer:
        return lightning.Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
