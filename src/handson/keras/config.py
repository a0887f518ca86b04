"""Settings of a whole process. handson has few: what a net does is said where the net is made.

A setting can be asked for, and set to what holds already; anything else is refused with the place where to say it.
"""

from __future__ import annotations

from typing import Any, NoReturn

import torch

from handson.constraints import EPSILON
from handson.core.errors import HandsonError
from handson.graph.conversion import floatx as default_type
from handson.graph.conversion import type_name
from handson.keras.mirror import mirror
from handson.layers.policies import DTypePolicy, get

mirror(__name__)


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
    """The type of fractions: 'float32'."""
    return type_name(default_type())


def set_floatx(value: str) -> None:
    """Refused for anything but the type that is used already."""
    _keep("set_floatx", value, floatx(), "A layer takes a type of its own: Dense(8, dtype='float64').")


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
    """Refused for 'channels_first'."""
    hint = "Move the channels of an array with numpy.moveaxis(x, 1, -1); a layer takes data_format='channels_first'."
    _keep("set_image_data_format", data_format, "channels_last", hint)


def dtype_policy() -> DTypePolicy:
    """What layers compute in unless they are told otherwise: float32."""
    return DTypePolicy(floatx())


def set_dtype_policy(policy: Any) -> None:
    """Refused for anything but float32.

    Examples
    --------
    >>> set_dtype_policy("mixed_bfloat16")
    Traceback (most recent call last):
    handson.core.errors.HandsonError: set_dtype_policy('mixed_bfloat16'): it is 'float32'. A net says ...
    """
    hint = "A net says what it computes in: compile(..., precision='bfloat16'); bfloat16 needs no loss scale."
    _keep("set_dtype_policy", get(policy).name, dtype_policy().name, hint)


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
