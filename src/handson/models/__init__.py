"""Nets: `Sequential`, a stack of layers, and `Model`, any `torch.nn.Module`."""

from handson.files import load_model
from handson.models.device import default_device
from handson.models.model import Model
from handson.models.sequential import Sequential

__all__ = ["Model", "Sequential", "default_device", "load_model"]
