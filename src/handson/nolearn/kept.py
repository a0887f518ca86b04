"""The parameters of a NeuralNet: taken over from others, saved, and copied with it."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.preprocessing import LabelEncoder

from handson.core import console
from handson.core.errors import HandsonError
from handson.nolearn.saved import read_weights, write_weights


class Kept:
    """What a NeuralNet does with its parameters."""

    layers_: OrderedDict[str, Any]
    verbose: int
    train_history_: list[dict[str, Any]]

    def initialize(self) -> None:
        """Make the layers."""
        raise NotImplementedError(type(self).__name__)

    def need_layers(self) -> None:
        """Raise unless there are weights."""
        if "layers_" not in vars(self):
            raise HandsonError("this net has no weights yet: call fit(X, y), initialize() or load_params_from(...).")

    def get_all_params_values(self) -> OrderedDict[str, list[Any]]:
        """The values of the parameters of each layer, as arrays."""
        self.need_layers()
        return OrderedDict(
            (name, [param.get_value() for param in layer.get_params()]) for name, layer in self.layers_.items()
        )

    def load_params_from(self, source: Any) -> None:
        """Take over parameters by the names of layers, where their shapes fit; what does not fit is said.

        Parameters
        ----------
        source : NeuralNet, dict or str
            A net, what `get_all_params_values` gives, or a file of `save_params_to`.

        Raises
        ------
        HandsonError
            When nothing fits.
        """
        self.initialize()
        values = read_weights(source) if isinstance(source, str) or hasattr(source, "__fspath__") else source
        values = values.get_all_params_values() if isinstance(values, Kept) else values
        taken, wanted = 0, sum(map(len, values.values()))
        for name, arrays in values.items():
            if name in self.layers_:
                taken += self._load_layer(name, arrays)
            elif arrays:
                console.say(f"Could not load parameters of layer {name!r}: this net has no layer of that name.")
        if wanted and not taken:
            raise HandsonError(
                f"load_params_from: nothing fits. The source has the layers {', '.join(values)}; this net has "
                f"{', '.join(self.layers_)}."
            )

    def _load_layer(self, name: str, arrays: list[Any]) -> int:
        taken = 0
        for param, value in zip(self.layers_[name].get_params(), arrays, strict=False):
            own, given = param.get_value().shape, np.shape(value)
            sides = ["x".join(map(str, shape)) for shape in (own, given)]
            if own == given:
                param.set_value(value)
                taken += 1
                if self.verbose:
                    console.say(f"Loaded parameters to layer {name!r} (shape {sides[0]}).")
            else:
                console.say(
                    f"Could not load parameters to layer {name!r} because shapes did not match: {' vs '.join(sides)}."
                )
        return taken

    def save_params_to(self, fname: Any) -> None:
        """Save the parameters into a safetensors file."""
        write_weights(fname, self.get_all_params_values())

    load_weights_from = load_params_from
    save_weights_to = save_params_to

    # Copies and pickles.

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = clone(self)
        found.take(copy.deepcopy(self.fitted(), memo))
        return found

    def fitted(self) -> dict[str, Any]:
        """What training has made of the net: history, weights and classes."""
        found: dict[str, Any] = {"history": self.train_history_}
        if "layers_" in vars(self):
            found["weights"] = dict(self.get_all_params_values())
        return found | ({"classes": self.classes_} if "classes_" in vars(self) else {})

    def take(self, fitted: dict[str, Any]) -> None:
        """Become as another net was."""
        self.train_history_ = list(fitted["history"])
        if "classes" in fitted:
            self.classes_ = np.asarray(fitted["classes"])
            self.enc_ = LabelEncoder()
            self.enc_.classes_ = self.classes_
        if "weights" in fitted:
            self.initialize()
            for name, arrays in fitted["weights"].items():
                for param, value in zip(self.layers_[name].get_params(), arrays, strict=True):
                    param.set_value(value)
