"""Rules for initial weights side by side: what happens to activations and gradients, and to the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from handson import initializers
from handson.attributions import layer_output
from handson.callbacks import Monitor
from handson.checks.copies import fresh_copy, some_rows
from handson.initializers import GlorotUniform, VarianceScaling
from handson.models import Model
from handson.monitoring import Journal
from handson.randomness.keys import derive
from handson.state.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from handson.plots.style import PathLike

# Rows whose activations are shown.
ROWS = 256


@dataclass
class Comparison:
    """What `initialization_comparison` found.

    Attributes
    ----------
    histories : dict of str to History
        The trainings by the name of the rule; `history.journal` has what happened inside.
    outputs : dict of str to dict of str to ndarray
        For each rule the outputs of every layer with weights before the training.
    """

    histories: dict[str, History]
    outputs: dict[str, dict[str, np.ndarray]]

    @property
    def journals(self) -> dict[str, Journal]:
        """What happened inside, by the name of the rule."""
        return {name: history.journal for name, history in self.histories.items()}

    def plot(self, path: PathLike | None = None) -> Figure:
        """A column for each rule: outputs before the training, gradients by layer over it, the loss."""
        from handson.plots import plot_initializations

        return plot_initializations(self.histories, self.outputs, path)


def lecture_rules() -> dict[str, Any]:
    """The two uniform rules of the lecture: 1/√n, and Glorot and Bengio's (2010) √6/√(n + m)."""
    return {"uniform, ±1/√n": VarianceScaling(1 / 3, "fan_in", "uniform"), "uniform, ±√6/√(n + m)": GlorotUniform()}


def initialization_comparison(
    net: Any, x: Any, y: Any, rules: Mapping[str, Any] | None = None, epochs: int = 10, batch_size: int = 32,
    seed: int = 0,
) -> Comparison:  # fmt: skip
    """Train copies of a net that begin with other weights, and compare what happens inside.

    Parameters
    ----------
    net : Model or function
        A compiled net, or a function that builds and compiles one.
    x, y : arrays
        Rows, as for `fit`.
    rules : dict of str to str or Initializer, optional
        Initializers for all matrices and convolutions of weights, by name; by default the lecture's two uniform rules.
    epochs, batch_size : int
        As in `fit`.
    seed : int
        Of the weights and of the trainings.

    Returns
    -------
    Comparison
        With `plot`.

    Examples
    --------
    >>> from handson import Sequential
    >>> from handson.layers import Dense
    >>> net = Sequential([*(Dense(16, activation="tanh") for _ in range(4)), Dense(1)], seed=0)
    >>> net.compile("sgd", "mse")
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> found = initialization_comparison(net, x, x.sum(1), epochs=1)
    >>> {name: len(outputs) for name, outputs in found.outputs.items()}
    {'uniform, ±1/√n': 5, 'uniform, ±√6/√(n + m)': 5}
    """
    histories, outputs = {}, {}
    for name, rule in (lecture_rules() if rules is None else rules).items():
        copy = fresh_copy(net, seed)
        copy.fit(x, y, epochs=0, verbose=0)  # builds it, and measures the scalings
        _begin_with(copy, initializers.get(rule), seed)
        outputs[name] = _outputs(copy, some_rows(x, y, ROWS, seed)[0])
        steps = max(1, -(-len(y) // batch_size) * epochs // 60)
        monitor = Monitor(every=steps)
        histories[name] = copy.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0, monitor=monitor)
    return Comparison(histories, outputs)


def _begin_with(net: Model, rule: Any, seed: int) -> None:
    """Draw all matrices and convolutions of weights from a rule."""
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if weight.dim() > 1:
                weight.copy_(rule(tuple(weight.shape), key=derive(seed, "rule", name)))


def _outputs(net: Model, x: Any) -> dict[str, np.ndarray]:
    """The outputs of the layers with weights."""
    owners = dict.fromkeys(name.rpartition(".")[0] for name, weight in net.named_parameters() if weight.dim() > 1)
    return {name: layer_output(net, x, name) for name in owners if name}
