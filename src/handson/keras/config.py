"""Settings of a whole process. handson has few: what a net does is said where the net is made.

The type of fractions and the policy of layers can be set. Other settings can be asked for, and set to what holds
already; anything else is refused with the place where to say it.
"""

from __future__ import annotations

from typing import Any, NoReturn

import torch

from handson.constraints import EPSILON
from handson.core import console
from handson.core.errors import HandsonError, listing, nearest
from handson.graph import conversion
from handson.keras.mirror import mirror
from handson.layers import policies
from handson.layers.policies import DTypePolicy

mirror(__name__)

FLOATS = ("float32", "float64", "bfloat16", "float16")


def backend() -> str:
    """What computes: 'torch'.

    Examples
    --------
    >>> backend()
    'torch'
    """
    return "torch"


def set_backend(backend: str) -> None:
    """Refused for anything but 'torch'."""
    _keep("set_backend", backend, "torch", "handson is PyTorch.")


def floatx() -> str:
    """The type of fractions, of layers, functions of `ops` and random numbers that are not told otherwise."""
    return conversion.type_name(conversion.floatx())


def set_floatx(value: str) -> None:
    """Set the type of fractions, for what is made afterwards; 'float64' keeps the digits of data too.

    Parameters
    ----------
    value : {'float32', 'float64', 'bfloat16', 'float16'}
        The type.

    Examples
    --------
    >>> from handson import keras
    >>> set_floatx("float64")
    >>> keras.layers.Dense(2).dtype, keras.ops.ones(2).dtype
    ('float64', torch.float64)
    >>> set_floatx("float32")
    """
    if value not in FLOATS:
        raise HandsonError(f"set_floatx takes one of {listing(FLOATS)}; got {value!r}.{nearest(str(value), FLOATS)}")
    conversion.set_floatx(None if value == "float32" else value)


def epsilon() -> float:
    """The number that keeps divisions from zero: 1e-7."""
    return EPSILON


def set_epsilon(value: float) -> None:
    """Refused for anything but 1e-7."""
    _keep("set_epsilon", value, EPSILON, "Layers and optimizers take an epsilon of their own.")


def image_data_format() -> str:
    """How images lie: 'channels_last', (n, height, width, channels)."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Refused for 'channels_first'; 'tf' is Keras 1's word for 'channels_last'."""
    hint = "Move the channels of an array with numpy.moveaxis(x, 1, -1); a layer takes data_format='channels_first'."
    data_format = {"tf": "channels_last", "th": "channels_first"}.get(data_format, data_format)
    _keep("set_image_data_format", data_format, "channels_last", hint)


def dtype_policy() -> DTypePolicy:
    """What layers compute in unless they are told otherwise."""
    return policies.usual()


def set_dtype_policy(policy: Any) -> None:
    """Set what layers that are made afterwards compute in, and keep their weights in.

    Parameters
    ----------
    policy : str or DTypePolicy
        A type, such as 'float64', or 'mixed_bfloat16'. In place of 'mixed_float16' layers get 'mixed_bfloat16', which
        is as fast and needs no loss scale; that is said.

    Examples
    --------
    >>> from handson import keras
    >>> set_dtype_policy("mixed_bfloat16")
    >>> layer = keras.layers.Dense(2)
    >>> layer.compute_dtype, layer.variable_dtype
    ('bfloat16', 'float32')
    >>> set_dtype_policy("float32")
    """
    found = policies.get(policy)
    if found.name == "mixed_float16":
        console.say("mixed_float16 needs a loss scale, which handson has not: layers compute in mixed_bfloat16.")
        found = DTypePolicy("mixed_bfloat16")
    policies.set_usual(None if found.name == floatx() else found)


def is_interactive_logging_enabled() -> bool:
    """Whether progress goes to the terminal: True."""
    return True


def enable_interactive_logging() -> None:
    """Progress goes to the terminal already."""


def disable_interactive_logging() -> NoReturn:
    """Refused: `fit` takes `verbose`."""
    raise HandsonError("disable_interactive_logging: use fit(verbose=0), or verbose=2 for a line for each epoch.")


def is_traceback_filtering_enabled() -> bool:
    """Whether tracebacks leave out the library's own lines: False."""
    return False


def disable_traceback_filtering() -> None:
    """Tracebacks are whole already."""


def enable_traceback_filtering() -> NoReturn:
    """Refused: tracebacks are whole."""
    raise HandsonError("enable_traceback_filtering: tracebacks are Python's own, and whole. Leave it out.")


def is_flash_attention_enabled() -> bool:
    """Whether torch may use its flash kernel for attention."""
    return torch.backends.cuda.flash_sdp_enabled()


def enable_flash_attention() -> None:
    """Let torch use its flash kernel for attention, where there is one."""
    torch.backends.cuda.enable_flash_sdp(True)


def disable_flash_attention() -> None:
    """Keep torch from using its flash kernel for attention."""
    torch.backends.cuda.enable_flash_sdp(False)


def enable_unsafe_deserialization() -> NoReturn:
    """Refused: files hold no code."""
    raise HandsonError(
        "enable_unsafe_deserialization: handson never runs code from a file. Register what a file names: "
        "@keras.saving.register_keras_serializable()."
    )


def is_nnx_enabled() -> bool:
    """Whether JAX's NNX is used: False."""
    return False


def max_epochs() -> None:
    """The most epochs of any training: None, no bound."""


def set_max_epochs(max_epochs: int | None) -> None:
    """Refused unless None."""
    _keep("set_max_epochs", max_epochs, None, "Use fit(epochs=...).")


def max_steps_per_epoch() -> None:
    """The most steps of any epoch: None, no bound."""


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Refused unless None."""
    _keep("set_max_steps_per_epoch", max_steps_per_epoch, None, "Use fit(steps_per_epoch=...).")


def _keep(function: str, wanted: Any, have: Any, hint: str) -> None:
    """Raise unless what is wanted holds already."""
    if wanted != have:
        raise HandsonError(f"{function}({wanted!r}): it is {have!r}. {hint}")
