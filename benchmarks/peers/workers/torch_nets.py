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


class LastState(nn.Module):
    """A GRU that gives its last state."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.gru = nn.GRU(features, units, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(x)[1][0]


class MeanOverTime(nn.Module):
    """The mean of each feature over the steps."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


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


def transformer() -> nn.Sequential:
    """A net that attends to light curves; it gives logits."""
    blocks = [
        nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, layer_norm_eps=NORM_EPSILON)
        for _ in range(2)
    ]
    return nn.Sequential(nn.Linear(3, 32), *blocks, MeanOverTime(), nn.Linear(32, 5))


def text() -> nn.Sequential:
    """A net that reads texts; it gives logits."""
    return nn.Sequential(nn.Embedding(2000, 32), LastState(32, 64), nn.Linear(64, 2))


NETS = {"lecture": lecture, "dense": dense, "lstm": lstm, "digits": digits, "transformer": transformer, "text": text}


@torch.no_grad()
def make(job: Job, seed: int) -> nn.Sequential:
    """A job's net with the initial weights that the other libraries draw, so that losses can be compared."""
    torch.manual_seed(seed)
    net = NETS[job.net]()
    for layer in net:
        if isinstance(layer, nn.Embedding):
            nn.init.uniform_(layer.weight, -0.05, 0.05)
    for name, weight in net.named_parameters():
        if "weight_hh" in name:
            nn.init.orthogonal_(weight)
        elif weight.ndim > 1 and not isinstance(net[int(name.partition(".")[0])], nn.Embedding):
            nn.init.xavier_uniform_(weight)
        elif "bias" in name:
            nn.init.zeros_(weight)
        if "lstm.bias_hh" in name:
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
