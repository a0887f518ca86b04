"""The lectures import `Sequential` from here as well as from `handson.models`."""

from handson.models import Model, Sequential

__all__ = ["Model", "Sequential"]
