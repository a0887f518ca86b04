"""The nets in PyTorch, for the plain loop and the libraries that train torch's modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers.jobs import ADAM_EPSILON, LEARNING_RATE, MOMENTUM, NORM_EPSILON, NORM_MOMENTUM, Job


class LastOutput(nn.Module):
    """An LSTM that gives its last output."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, units, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0][:, -1]


def lecture() -> nn.Sequential:
    """The fourth lecture's net."""
    layers: list[nn.Module] = []
    for before, filters, size, rate in [(1, 32, 3, 0.1), (32, 64, 2, 0.2), (64, 128, 2, 0.3)]:
        layers += [nn.Conv2d(before, filters, size), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(rate)]
    layers += [nn.Flatten(), nn.Linear(128 * 11 * 11, 1000), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(1000, 1000), nn.ReLU(), nn.Linear(1000, 30))


def dense() -> nn.Sequential:
    """5-64-64-1."""
    return nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))


def lstm() -> nn.Sequential:
    """A net that reads light curves; it gives logits."""
    return nn.Sequential(LastOutput(3, 64), nn.Linear(64, 5))


def digits() -> nn.Sequential:
    """Two blocks with batch normalization, and a dense layer; it gives logits."""
    layers: list[nn.Module] = []
    for before, filters in [(1, 32), (32, 64)]:
        norm = nn.BatchNorm2d(filters, NORM_EPSILON, 1 - NORM_MOMENTUM)
        layers += [nn.Conv2d(before, filters, 3, padding="same"), norm, nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10))


NETS = {"lecture": lecture, "dense": dense, "lstm": lstm, "digits": digits}


@torch.no_grad()
def make(job: Job, seed: int) -> nn.Sequential:
    """A job's net with the initial weights that the other libraries draw, so that losses can be compared."""
    torch.manual_seed(seed)
    net = NETS[job.net]()
    for name, weight in net.named_parameters():
        if "weight_hh" in name:
            nn.init.orthogonal_(weight)
        elif weight.ndim > 1:
            nn.init.xavier_uniform_(weight)
        elif "bias" in name:
            nn.init.zeros_(weight)
        if "bias_hh" in name:
            nn.init.ones_(weight.chunk(4)[1])  # the forget gate's
    return net


def optimizer_options(job: Job) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    """A job's optimizer, and the arguments in which it is not torch's default."""
    if job.optimizer == "nesterov":
        return torch.optim.SGD, {"lr": LEARNING_RATE, "momentum": MOMENTUM, "nesterov": True}
    return torch.optim.Adam, {"lr": 0.001, "eps": ADAM_EPSILON}


def loss_of(job: Job) -> type[nn.Module]:
    """A job's loss."""
    return nn.MSELoss if job.classes is None else nn.CrossEntropyLoss


def tensors(x: np.ndarray) -> Tensor:
    """Inputs as torch wants them: images channels-first."""
    inputs = torch.from_numpy(x)
    return inputs.permute(0, 3, 1, 2).contiguous() if inputs.ndim == 4 else inputs


def outputs(job: Job, values: Tensor) -> np.ndarray:
    """What a net gave as an array, logits as probabilities."""
    return (values if job.classes is None else values.softmax(-1)).numpy()
