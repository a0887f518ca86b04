"""Not a library: what the machine's matrix product needs for the operations of a step of the lecture's net."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers.jobs import lecture_operations
from benchmarks.peers.workers.adapter import Library


class Driver(Library):
    """Multiplies two square matrices in place of a step."""

    def net(self, seed: int) -> Tensor:
        size = round((lecture_operations(self.job.batch) / 2) ** (1 / 3))
        return torch.rand(size, size, generator=torch.Generator().manual_seed(seed))

    def fit(self, net: Tensor, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
        for _ in range(self.job.steps):
            torch.mm(net, net)

    def predict(self, net: Tensor, x: np.ndarray) -> np.ndarray:
        return np.full((len(x), 30), np.nan)
