"""`theano.config`: the settings of Theano that mean something here."""

from __future__ import annotations

from typing import Any

from handson.core.errors import HandsonError, nearest

FLOATS = ("float16", "float32", "float64")


class Config:
    """The settings.

    Attributes
    ----------
    floatX : {'float32', 'float64', 'float16'}
        The type of symbols and weights that name none. 'float32' here, where Theano's own default is 'float64'.
    device : str
        Where functions compute; it follows from the machine and cannot be set.

    Examples
    --------
    >>> Config().floatX
    'float32'
    """

    floatX: str

    def __init__(self) -> None:
        vars(self)["floatX"] = "float32"

    @property
    def device(self) -> str:
        """Where functions compute."""
        from handson.models.device import default_device

        return default_device().type

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "floatX":
            raise HandsonError(
                f"theano.config.{name} cannot be set here: PyTorch computes, on the GPU where there is one."
                f"{nearest(name, ['floatX'])} floatX can be set."
            )
        if value not in FLOATS:
            raise HandsonError(f"theano.config.floatX is one of {', '.join(FLOATS)}; got {value!r}.")
        vars(self)[name] = value


config = Config()
