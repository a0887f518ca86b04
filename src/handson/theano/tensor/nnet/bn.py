"""`theano.tensor.nnet.bn`: batch normalization."""

from __future__ import annotations

from typing import Any

from handson.theano.variable import Variable


def batch_normalization(inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem") -> Variable:
    """(inputs - mean) * gamma / std + beta."""
    return (inputs - mean) * (gamma / std) + beta
