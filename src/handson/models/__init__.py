"""Nets: `Sequential`, a stack of layers, and `Model`, any `torch.nn.Module`."""

from handson.files import load_model
from handson.models.cloning import clone_model, model_from_config, model_from_json
from handson.models.device import default_device
from handson.models.model import Model
from handson.models.sequential import Sequential

__all__ = [
    "Model", "Sequential", "clone_model", "default_device", "load_model", "model_from_config", "model_from_json",
]  # fmt: skip
