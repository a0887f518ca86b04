"""What goes into a net and comes out: trees of tensors as lists of leaves, their types, their scalings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handson.core import tree
from handson.core.errors import HandsonError, nearest
from handson.data.rows.scaling import Scaling
from handson.graph import logits
from handson.graph.symbol import on_trial
from handson.layers.shapes import map_shapes
from handson.models.structure import Structure


class Leaves(Structure):
    """The base of nets: how they take inputs, and in which form."""

    input_scalings: list[Scaling | None] | None
    target_scalings: list[Scaling | None] | None
    seen_ids: list[bool] | None

    def typed_leaves(self, inputs: Any) -> list[Tensor]:
        """The inputs in the order of the graph's, each of the type that what takes it wants."""
        graph = self._need_graph()
        found = []
        for symbol, leaf in zip(graph.entries, self.flat_inputs(inputs), strict=True):
            wanted = symbol.dtype.is_floating_point and not leaf.is_floating_point()
            integers = wanted and any(wants_integers(user) for user in graph.users(symbol))
            found.append(leaf.to(symbol.dtype) if wanted and not integers else leaf)
        return found

    def flat_inputs(self, inputs: Any) -> list[Any]:
        """The leaves of some inputs, in the net's order.

        Raises
        ------
        HandsonError
            When there are others than the net takes.
        """
        if self.graph is None:
            return tree.leaves(inputs)
        form, names = self.graph.inputs, [entry.name for entry in self.graph.entries]
        if isinstance(inputs, dict):
            keys = list(form) if isinstance(form, dict) else names
            missing = [key for key in keys if key not in inputs]
            if missing:
                raise HandsonError(
                    f"the net {self.name!r} takes the inputs {', '.join(keys)}; {', '.join(missing)} missing."
                    f"{nearest(missing[0], [str(key) for key in inputs])}"
                )
            return [leaf for key in keys for leaf in tree.leaves(inputs[key])]
        leaves = tree.leaves(inputs)
        if len(leaves) != len(names):
            raise HandsonError(
                f"the net {self.name!r} takes {len(names)} inputs ({', '.join(names)}); got {len(leaves)}."
            )
        return leaves

    def arranged(self, leaves: Sequence[Any]) -> Any:
        """Leaves as the tree that the net is called with."""
        if self.built_shape is None:
            return leaves[0] if len(leaves) == 1 else list(leaves)
        form = self.graph.inputs if self.graph is not None else map_shapes(lambda shape: 0, self.built_shape)
        return tree.rebuild(tree.spec(form), leaves)

    def arranged_outputs(self, leaves: Sequence[Any]) -> Any:
        """The leaves of outputs as the tree that the net gives."""
        return tree.rebuild(tree.spec(map_shapes(lambda shape: 0, self._outputs)), leaves)

    @on_trial()
    def probe(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        """The outputs, as leaves, for a few rows in evaluation mode, as the net gives them (scaled)."""
        self.eval()
        scalings = self.input_scalings or [None] * len(leaves)
        batch = [
            (self._as_taken(leaf) if scaling is None else scaling.to(leaf.device).apply(leaf)).to(self.device)
            for leaf, scaling in zip(leaves, scalings, strict=True)
        ]
        outputs = tree.leaves(self(self.arranged(batch)))
        for output in outputs:
            if not isinstance(output, Tensor):
                raise HandsonError(f"the net must give tensors; it gives {type(output).__name__}.")
        return [logits.like(output, Tensor.cpu) for output in outputs]

    def integer_inputs(self, count: int) -> list[bool]:
        """Of each input, whether whole numbers are given to the net as they are: they are ids."""
        if self.graph is None:
            return [wants_integers(self)] * count
        return [
            not entry.dtype.is_floating_point or any(wants_integers(user) for user in self.graph.users(entry))
            for entry in self.graph.entries
        ]

    def takes_ids(self, count: int) -> list[bool]:
        """Of each input of a net that is no graph, whether it was whole numbers; before data, whether it could be."""
        if self.seen_ids is not None and len(self.seen_ids) == count:
            return self.seen_ids
        return self.integer_inputs(count) if self.graph is None and "module" in self._modules else [False] * count

    def takers(self, number: int) -> list[Any]:
        """The layers that an input goes into."""
        return [] if self.graph is None else self.graph.users(self.graph.entries[number])

    def _as_taken(self, leaf: Tensor) -> Tensor:
        """Values that stay float64 for a scaling that is not measured yet, as the net takes them."""
        return leaf.float() if leaf.dtype == torch.float64 and not self.computes_double else leaf

    @property
    def input_scaling(self) -> Scaling | None:
        """How the first input is scaled."""
        return self.input_scalings[0] if self.input_scalings else None

    @input_scaling.setter
    def input_scaling(self, scaling: Scaling | None) -> None:
        self.input_scalings = None if scaling is None else [scaling, *(self.input_scalings or [None])[1:]]

    @property
    def target_scaling(self) -> Scaling | None:
        """How the targets of the first output are scaled."""
        return self.target_scalings[0] if self.target_scalings else None

    @target_scaling.setter
    def target_scaling(self, scaling: Scaling | None) -> None:
        self.target_scalings = None if scaling is None else [scaling, *(self.target_scalings or [None])[1:]]


def wants_integers(part: Any) -> bool:
    """Whether a layer, or one inside it, takes whole numbers as ids."""
    modules = part.modules() if isinstance(part, nn.Module) else ()
    return any(
        getattr(one, "takes_integers", False) or isinstance(one, (nn.Embedding, nn.EmbeddingBag)) for one in modules
    )
