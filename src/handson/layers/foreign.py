"""Modules of PyTorch as layers."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from handson.core.errors import HandsonError
from handson.core.registry import register, snake_case
from handson.graph.logits import with_logits
from handson.layers.base import Layer, Shape

# Modules of torch.nn that work on images as (n, channels, height, width).
CHANNELS_FIRST = (
    nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.LPPool2d,
    nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm, nn.Dropout2d, nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle,
    nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.LocalResponseNorm, nn.ChannelShuffle,
)  # fmt: skip


@register
class TorchModuleWrapper(Layer):
    """A `torch.nn.Module` as a layer; `Sequential` wraps modules in it by itself.

    Parameters
    ----------
    module : torch.nn.Module
        A module that maps one tensor to one tensor.
    channels_first : bool, optional
        Whether it wants images as (n, channels, height, width): it is given that view of them, and its output is viewed
        as channels-last again. None: yes for the modules of torch.nn that work on such images.
    **kwargs
        The arguments of every layer.

    Examples
    --------
    >>> TorchModuleWrapper(nn.Conv2d(3, 8, 3))(torch.zeros(2, 9, 9, 3)).shape
    torch.Size([2, 7, 7, 8])
    """

    def __init__(self, module: nn.Module, channels_first: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(module, nn.Module):
            raise HandsonError(f"a layer is a handson layer or a torch.nn.Module; got {module!r}.")
        self.stem = snake_case(type(module).__name__)
        if self.given_name is None:
            self.take_name(self.stem, named=False)
        self.module = module
        self.channels_first = isinstance(module, CHANNELS_FIRST) if channels_first is None else channels_first

    def build(self, input_shape: Shape) -> None:
        """Run the module once on zeros, so that lazy modules make their weights."""
        self._try(self.module, input_shape, 2)
        self.weight_names = [f"module.{name}" for name in self.module.state_dict()]

    @property
    def weights(self) -> list[Tensor]:
        """The module's weights in its own order and layouts."""
        return list(self.module.state_dict(keep_vars=True).values())

    def output_shape(self, input_shape: Shape) -> Shape:
        first, second = (self._try(copy.deepcopy(self.module), input_shape, size) for size in (2, 3))
        return (None, *(a if a == b else None for a, b in zip(first[1:], second[1:], strict=True)))

    def _try(self, module: nn.Module, input_shape: Shape, size: int) -> tuple[int, ...]:
        """The shape of the output for `size` samples, unknown dimensions taken as `size` + 11."""
        device = next((weight.device for weight in module.parameters()), torch.device("cpu"))
        zeros = torch.zeros(size, *(size + 11 if side is None else side for side in input_shape[1:]), device=device)
        was_training = module.training
        try:
            with torch.no_grad():
                output = self._run(module.eval(), zeros)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise HandsonError(
                f"{type(self.module).__name__} {self.name!r} does not take inputs of shape {tuple(input_shape)}: "
                f"{str(error).splitlines()[0]}"
            ) from error
        finally:
            module.train(was_training)
        if not isinstance(output, Tensor):
            raise HandsonError(
                f"{type(self.module).__name__} {self.name!r} gives {type(output).__name__}; a layer gives one tensor."
            )
        return tuple(output.shape)

    def _run(self, module: nn.Module, x: Tensor) -> Any:
        if not (self.channels_first and x.dim() == 4):
            return module(x)
        output = module(x.permute(0, 3, 1, 2))
        return output.permute(0, 2, 3, 1) if isinstance(output, Tensor) and output.dim() == 4 else output

    def forward(self, x: Tensor) -> Tensor:
        return self._run(self.module, x) if self.channels_first else computed(self.module, x)

    def train(self, mode: bool = True) -> TorchModuleWrapper:
        """Training or evaluation mode; in a frozen layer, normalizations keep their averages, as in Keras."""
        super().train(mode)
        keep_averages(self.module, all_of_them=not self._trainable)
        return self

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        raise HandsonError(
            f"layer {self.name!r} is a {type(self.module).__name__} of PyTorch, which a file cannot describe: files "
            f"hold no code. Save the weights with save_weights(), or write the layer as a handson.layers.Layer and "
            f"register it with @handson.register."
        )


def computed(module: nn.Module, x: Any) -> Any:
    """What a module gives for its input; probabilities with their logits, if a softmax or sigmoid ends it.

    Examples
    --------
    >>> from handson.graph.logits import logits_of
    >>> logits_of(computed(nn.Sequential(nn.Linear(2, 3), nn.Softmax(-1)), torch.ones(1, 2)), "softmax").shape
    torch.Size([1, 3])
    """
    if type(module) is nn.Sequential and len(module) and not module._forward_hooks and not module._forward_pre_hooks:
        *first, last = module
        for part in first:
            x = part(x)
        return computed(last, x)
    output, activation = module(x), {nn.Softmax: "softmax", nn.Sigmoid: "sigmoid"}.get(type(module))
    along_last = activation == "sigmoid" or (activation and module.dim in (-1, x.dim() - 1))
    return with_logits(output, activation, x) if activation and along_last else output


def applied(module: nn.Module, inputs: Any) -> Any:
    """What a module of PyTorch gives for some inputs.

    A dictionary whose keys are the names of arguments is given by name, a list to arguments in their order; what takes
    one dictionary or list gets it as it is. Nets of transformers are called without the cache that they keep for
    writing texts (`use_cache`), unless the inputs ask for it.

    Examples
    --------
    >>> inputs = {"input": torch.ones(1, 2), "weight": torch.ones(2)}
    >>> class Weighted(nn.Module):
    ...     def forward(self, input, weight=None):
    ...         return input if weight is None else input * weight
    >>> applied(Weighted(), inputs), applied(nn.Identity(), inputs["input"])
    (tensor([[1., 1.]]), tensor([[1., 1.]]))
    """
    names, required, more = arguments_of_call(getattr(type(module), "forward", None))
    settings = {"use_cache": False} if "use_cache" in names else {}
    if isinstance(inputs, dict):
        by_name = all(key in names or (more and key.isidentifier()) for key in inputs) and bool(names & set(inputs))
        return module(**{**settings, **inputs}) if by_name else module(inputs, **settings)
    several = isinstance(inputs, (list, tuple)) and len(inputs) > 1
    if several and required > 1:
        return module(*inputs, **settings)
    return module(inputs, **settings) if settings else computed(module, inputs)


@functools.cache
def arguments_of_call(forward: Callable[..., Any] | None) -> tuple[frozenset[str], int, bool]:
    """Of the method of a module: the names of its arguments, how many have no default, whether it takes any name.

    The classes of scripted modules have no such method.
    """
    if forward is None:
        return frozenset(), 0, False
    found = list(inspect.signature(forward).parameters.values())[1:]
    named = [one for one in found if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    required = sum(one.default is one.empty and one.kind is not one.KEYWORD_ONLY for one in named)
    return frozenset(one.name for one in named), required, any(one.kind is one.VAR_KEYWORD for one in found)


def keep_averages(module: nn.Module, all_of_them: bool = False) -> None:
    """Have normalizations of PyTorch whose weights are frozen compute with their averages, and leave them, as Keras's.

    Parameters
    ----------
    module : torch.nn.Module
        The net that they are in, after its `train` was called.
    all_of_them : bool
        Those too that are not frozen, or have no weights.

    Examples
    --------
    >>> norm = nn.BatchNorm1d(2).requires_grad_(False)
    >>> keep_averages(norm)
    >>> norm.training
    False
    """
    for part in module.modules():
        if isinstance(part, _NormBase) and (all_of_them or is_frozen(part)):
            part.train(False)


def is_frozen(part: nn.Module) -> bool:
    """Whether a module has weights of its own and none of them trains."""
    weights = list(part.parameters(recurse=False))
    return bool(weights) and not any(weight.requires_grad for weight in weights)
