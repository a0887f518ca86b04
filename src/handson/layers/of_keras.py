"""What Keras's layers have beside computing: described outputs, metrics, and what is refused with the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handson.core import tree
from handson.core.errors import HandsonError
from handson.graph.symbol import Node, Symbol


def refused(name: str, way_out: str) -> Callable[..., Any]:
    """A method that raises, with what to do instead."""

    def method(self: Any, *args: Any, **kwargs: Any) -> None:
        raise HandsonError(f"{type(self).__name__} {self.name!r} has no {name}: {way_out}.")

    method.__name__, method.__doc__ = name, f"Not here: raises. {way_out[0].upper()}{way_out[1:]}."
    return method


FUNCTIONAL = "torch.func.functional_call(net, weights, inputs) computes with weights that are given, as a function"
QUANTIZED = "handson does not quantize nets; torch.ao.quantization takes a net as it is, a torch.nn.Module"


class OfKeras:
    """Mixed into layers and nets."""

    name: str
    _infer: Callable[[Node], Any]

    # What shapes are taken, in Keras; here `build` may raise.
    input_spec: Any = None
    # A net that is not quantized, in Keras.
    quantization_mode = None

    quantize = refused("quantize", QUANTIZED)
    quantized_build = refused("quantized_build", QUANTIZED)
    quantized_call = refused("quantized_call", QUANTIZED)
    stateless_call = refused("stateless_call", FUNCTIONAL)
    rematerialized_call = refused("rematerialized_call", "use torch.utils.checkpoint.checkpoint in call")
    add_metric = refused("add_metric", "give metrics to compile, or update one of your own in call")

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The shapes and types of what a call on symbols would give, as symbols that belong to no net.

        Examples
        --------
        >>> import handson
        >>> handson.layers.Dense(2).compute_output_spec(handson.Input((3,))).shape
        (None, 2)
        """
        found = self._infer(Node(self, args, kwargs))  # type: ignore[arg-type]
        return tree.map_leaves(lambda spec: Symbol(spec.shape, spec.dtype), found)

    symbolic_call = compute_output_spec

    @property
    def metrics(self) -> list[Any]:
        """The metrics among the attributes of the layer and of its parts."""
        parts = [part for part in self.modules() if isinstance(part, OfKeras)]  # type: ignore[attr-defined]
        return [value for part in parts for value in vars(part).values() if getattr(value, "kind", None) == "metric"]
