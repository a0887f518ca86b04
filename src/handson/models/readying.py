"""How a net gets its weights: built for the shapes of its inputs, alone or as a part of another net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from handson.core.errors import HandsonError
from handson.graph import Node
from handson.layers import ownership
from handson.layers.blank import is_filling
from handson.layers.building import building
from handson.layers.drawn import Drawn
from handson.layers.renaming import hold
from handson.layers.shapes import Shapes, batched, compatible
from handson.layers.weight_holder import WeightHolder
from handson.models.device import default_device
from handson.models.leaves import Leaves
from handson.randomness.keys import derive, fresh_seed


class Readying(Leaves):
    """The base of nets: how they get ready for inputs."""

    seed: int | None
    seed_given: bool
    _outputs: Shapes

    if TYPE_CHECKING:

        @property
        def computes(self) -> bool:
            """Whether the net can be called."""

    def _build_alone(self, input_shape: Shapes) -> None:
        self.ready_for(batched(input_shape))

    def ready_for(self, shapes: Shapes) -> None:
        """Build the net for inputs of these shapes, or check that it can take them; bring it to its device.

        Raises
        ------
        HandsonError
            When the net takes inputs of other shapes.
        """
        self.seed = fresh_seed() if self.seed is None else self.seed
        shapes = batched(shapes)
        if not is_filling():
            self.to(default_device())
        if self.built_shape is None or self._outputs is None:
            self._build_net(shapes)
        else:
            self.check_shapes(shapes)
        self.place()
        self._tell_paths()

    def place(self) -> None:
        """Bring the net to the device that it computes on."""
        if not is_filling():
            self.to(default_device())

    def check_shapes(self, shapes: Shapes) -> None:
        """Raise unless the net takes inputs of these shapes."""
        if compatible(self.built_shape, shapes):
            return
        hint = ""
        if isinstance(shapes, tuple) and compatible(self.built_shape, (*shapes, 1)):
            hint = " Images need a channel axis: pass x[..., None]."
        raise HandsonError(
            f"the net takes inputs of shape {self.built_shape}; got {shapes}, where None is the number of rows.{hint}"
        )

    def _build_net(self, shapes: Shapes) -> None:
        """Make the weights, from the net's seed, and learn the shapes of the outputs."""
        self.track()
        ownership.claim(self, self.named_children())
        if self.drawn.key is None or self.drawn.unclaimed:
            self.draw_for(Drawn(self, derive(self.seed or 0, "weights")))
        if self.built_shape is None:
            self._build_once(shapes)
            if not self._trainable:
                self.trainable = False
        if self.computes or not self.own_steps:
            self._set_outputs(self.shape_after(shapes))

    def _build_once(self, shape: Shapes) -> None:
        with building(self):
            self.build(shape)
        self.built_shape = shape
        self.track()

    def build_in(self, shape: Shapes, device: torch.device) -> None:
        """Be built as a part of another net: from that net's seed, unless this one was given its own."""
        if self.built_shape is not None and not compatible(self.built_shape, shape):
            raise HandsonError(
                f"the net {self.name!r} was built for inputs of shape {self.built_shape} and cannot take {shape}."
            )
        self.ensure_built(shape)
        if not is_filling():
            self.to(device)

    def ensure_built(self, input_shape: Shapes, key: int | None = None) -> None:
        if self.built_shape is not None:
            self.check_shapes(batched(input_shape))
            return
        if self.seed_given:
            ownership.claim(self, self.named_children())
        self.track()
        self._build_once(batched(input_shape))
        self._set_outputs(self.shape_after(batched(input_shape)))

    def _set_outputs(self, shapes: Shapes) -> None:
        self._outputs = shapes
        self.forget_terms()
        self._tell_paths()

    def _tell_paths(self) -> None:
        """Tell weights, and layers that draw random numbers, where they are: here, though others may hold them."""
        hold(self, (part for part in self.modules() if part is not self))
        for path, layer in self.named_modules():
            if hasattr(layer, "path"):
                layer.path = path
            if isinstance(layer, WeightHolder):
                layer.tell_path(path.replace(".", "/") or self.name)

    def _stated(self) -> Any:
        return None

    def compute_output_shape(self, input_shape: Shapes) -> Shapes:
        """The shape of the outputs for the shape of the inputs."""
        return self.shape_after(input_shape)

    def _infer(self, node: Node) -> Any:
        args, kwargs = node.arguments
        self._check_names(kwargs)
        shapes = self._shapes_in(args, kwargs)
        self._build_for(shapes)
        if self.graph is not None and shapes == self.built_shape:
            return self.graph.outputs  # which have shapes and types
        return self.run_on_zeros(node)
