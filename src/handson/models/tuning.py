"""Fine-tuning: which layers of a net train, and training the new ones first and the others at a small rate."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from handson.core.errors import HandsonError, number, whole
from handson.layers.base import Layer
from handson.layers.foreign import TorchModuleWrapper, keep_averages
from handson.layers.normalization import BatchNormalization
from handson.models.structure import Structure
from handson.optimizers import Optimizer
from handson.optimizers.shares import share_of
from handson.state.history import History


class Unit(NamedTuple):
    """A layer with weights, in a net or in the nets inside it.

    Attributes
    ----------
    path : str
        Where it is.
    layer : nn.Module
        The layer; of modules of PyTorch, one with parameters of its own.
    holders : tuple of nn.Module
        The nets that it lies in, inside of the net.
    """

    path: str
    layer: nn.Module
    holders: tuple[nn.Module, ...] = ()

    @property
    def averages(self) -> bool:
        """Whether it keeps averages of what it sees: it is a batch normalization."""
        return isinstance(self.layer, (BatchNormalization, _NormBase))

    @property
    def fresh(self) -> bool:
        """Whether all of its weights are as they were drawn."""
        parts = [part for part in self.layer.modules() if isinstance(part, Layer) and part.weight_names]
        return bool(parts) and all(set(part.fresh_weights()) >= set(part.weight_names) for part in parts)

    def let_train(self, value: bool) -> None:
        """Freeze or thaw it; nets that it lies in count as trainable if any layer of theirs is."""
        if isinstance(self.layer, Layer):
            self.layer.trainable = value
        else:
            for weight in self.layer.parameters(recurse=False):
                weight.requires_grad_(value)
        for holder in self.holders if value else ():
            if isinstance(holder, Layer):
                holder._trainable = True


def units_of(net: nn.Module) -> list[Unit]:
    """The layers of a net that have weights, in its order, each once; nets inside it are opened.

    Examples
    --------
    >>> [unit.path for unit in units_of(nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.BatchNorm1d(2)))]
    ['0', '2']
    """
    found: dict[int, Unit] = {}
    for unit in _units(net, "", ()):
        found.setdefault(id(unit.layer), unit)
    return list(found.values())


def _units(module: nn.Module, path: str, holders: tuple[nn.Module, ...]) -> Iterator[Unit]:
    if isinstance(module, Layer) and not isinstance(module, (Structure, TorchModuleWrapper)):
        if isinstance(module, BatchNormalization) or any(True for _ in module.parameters()):
            yield Unit(path, module, holders)
        return
    if any(True for _ in module.parameters(recurse=False)):
        yield Unit(path, module, holders)
    for name, child in module.named_children():
        yield from _units(child, f"{path}.{name}" if path else name, (*holders, module))


class Tuning(Structure):
    """What a net is asked to do with layers that were trained before."""

    fit: Any
    need_compiled: Any
    history: History | None
    _compiled: Any

    def train(self, mode: bool = True) -> Any:
        """Training or evaluation mode; frozen batch normalizations compute with their averages, and leave them."""
        super().train(mode)
        if mode:
            keep_averages(self)
        return self

    def freeze(self) -> None:
        """Let no layer train; batch normalizations then compute with their averages, and leave them.

        Examples
        --------
        >>> from handson import Sequential
        >>> from handson.layers import Dense
        >>> base = Sequential([Dense(4, input_dim=3)])
        >>> base.freeze()
        >>> Sequential([base, Dense(1)]).trainable_weights[0].shape
        torch.Size([4, 1])
        """
        self.trainable = False

    def unfreeze_last(self, n: int, normalization: bool = False) -> None:
        """Let the last layers train, and no others.

        Parameters
        ----------
        n : int
            How many layers, of those that have weights; layers of nets inside the net count one by one, and of a
            module of PyTorch every module that has parameters of its own.
        normalization : bool
            Whether batch normalizations count, and train. By default they stay frozen: the averages that they have
            seen belong to the weights that were trained with them.

        Raises
        ------
        HandsonError
            When there are fewer, or the net is not built.

        Examples
        --------
        >>> from handson import Sequential
        >>> from handson.layers import BatchNormalization, Dense
        >>> net = Sequential([Dense(8, input_dim=3), Dense(4), BatchNormalization(), Dense(1)])
        >>> net.unfreeze_last(2)
        >>> [layer.trainable for layer in net.layers]
        [False, True, False, True]
        """
        self._need_built()
        whole("n", n, 0)
        found = _last(units_of(self), n, normalization)
        self.freeze()
        for unit in found:
            unit.let_train(True)

    def fine_tune(
        self,
        x: Any,
        y: Any = None,
        *,
        epochs: int | Sequence[int] = (5, 5),
        last: int | None = None,
        head: int | None = None,
        learning_rate: float | None = None,
        layer_decay: float = 1.0,
        normalization: bool = False,
        **arguments: Any,
    ) -> History:
        """Train a net with layers that were trained before: at first the new ones, then others too, at a smaller rate.

        While the new layers, the head, are as they were drawn, their gradients would undo what the others know. So
        these are frozen in the first phase, and in the second train at a small rate. The net stays as the second phase
        leaves it: with its layers that train, and its optimizer. Called again, it begins with the optimizer that
        `compile` was given.

        Parameters
        ----------
        x, y
            As in `fit`.
        epochs : int or (int, int)
            Of the two phases; 0 leaves a phase out.
        last : int, optional
            How many of the layers beneath the head train in the second phase, counted as in `unfreeze_last`; by default
            all of them.
        head : int, optional
            How many layers at the end of the net are new. By default those with weights as they were drawn, wherever
            they are, which is not known of modules of PyTorch.
        learning_rate : float, optional
            The rate of the second phase; by default a tenth of that of the first, which `compile` was given.
        layer_decay : float
            The rate of each layer beneath the head is that of the one above times this number: 0.9, say, for many
            layers, or 0.5 for few.
        normalization : bool
            Whether batch normalizations that were trained before train again: see `unfreeze_last`.
        **arguments
            Those of `fit`. In a folder, ``run=...``, each phase has its own: 'head' and 'last'.

        Returns
        -------
        History
            Of both phases, one after the other.

        Raises
        ------
        HandsonError
            When there is no head, or nothing else; and whatever `fit` raises.

        Examples
        --------
        >>> import numpy as np
        >>> from handson import Sequential
        >>> from handson.layers import Dense
        >>> x = np.random.default_rng(0).normal(size=(64, 3))
        >>> base = Sequential([Dense(8, "relu", input_dim=3), Dense(4, "relu")])
        >>> base.compile("adam", "mse")
        >>> _ = base.fit(x, np.zeros((64, 4)), verbose=0)
        >>> net = Sequential([base, Dense(1)])
        >>> net.compile("adam", "mse")
        >>> net.fine_tune(x, x.sum(1), epochs=(3, 2), last=1, verbose=0)
        History(5 epochs, best loss ... in epoch 5)
        """
        compiled = self.need_compiled("fine_tune")
        given: Optimizer = compiled.first or compiled.optimizer
        self._need_built()
        first, second = _phases(epochs)
        if "initial_epoch" in arguments:
            raise HandsonError("fine_tune counts the epochs of its phases itself: leave out initial_epoch.")
        new, before = _parted(units_of(self), head)
        later = _last(before, last, normalization)
        after = _slower(given, learning_rate, _shares(given, later, new, layer_decay))
        found = History()
        if first:
            _let_train(before, new)
            self._compiled = replace(compiled, optimizer=given)
            found = self.fit(x, y, epochs=first, **arguments | _folder(arguments, "head"))
        if second:
            _let_train(before, [*new, *later])
            self._compiled = replace(compiled, optimizer=after, first=given)
            after.claim(self)
            more = {"epochs": first + second, "initial_epoch": first} | _folder(arguments, "last")
            found = _joined(found, self.fit(x, y, **arguments | more))
        self.history = found
        return found


def _slower(given: Optimizer, learning_rate: float | None, shares: dict[str, float]) -> Optimizer:
    """The optimizer of the second phase: that of `compile`, at a smaller rate."""
    if learning_rate is None and given.given_rate is None:
        raise HandsonError(
            f"a schedule rules the learning rate of the first phase: give that of the second, "
            f"fine_tune(learning_rate=...); got {given!r}."
        )
    rate = (given.given_rate or 0.0) / 10 if learning_rate is None else learning_rate
    config = given.get_config() | {"learning_rate": rate}
    return type(given).from_config(config | ({"rate_multipliers": shares} if shares else {}))


def _last(units: list[Unit], n: int | None, normalization: bool) -> list[Unit]:
    """The last layers of some, without batch normalizations unless they are asked for."""
    found = [unit for unit in units if normalization or not unit.averages]
    if n is not None and whole("last", n, 0) > len(found):
        kept = "" if normalization else ", batch normalizations not counted"
        raise HandsonError(f"there are {len(found)} layers with weights{kept}; got {n}.")
    return found if n is None else found[len(found) - n :]


def _let_train(frozen: list[Unit], trained: list[Unit]) -> None:
    for unit in frozen:
        unit.let_train(False)
    for unit in trained:
        unit.let_train(True)


def _phases(epochs: Any) -> tuple[int, int]:
    pair = tuple(epochs) if isinstance(epochs, (tuple, list)) else (epochs, epochs)
    if len(pair) != 2:
        raise HandsonError(f"fine_tune: epochs are those of two phases, as (5, 10); got {epochs!r}.")
    first, second = (whole("epochs", one, 0) for one in pair)
    return first, second


def _parted(units: list[Unit], head: int | None) -> tuple[list[Unit], list[Unit]]:
    """The new layers of a net, and those that were trained before."""
    if head is not None:
        count = len(units)
        if not 1 <= whole("head", head, 1) < count:
            raise HandsonError(f"fine_tune: head is less than the {count} layers with weights; got {head}.")
        return units[count - head :], units[: count - head]
    new, before = ([unit for unit in units if unit.fresh is fresh] for fresh in (True, False))
    if not new:
        raise HandsonError(
            "fine_tune finds no layer whose weights are as they were drawn. Say how many layers at the end of the net "
            "are new, fine_tune(head=1); or train it as it is, with fit."
        )
    if not before:
        raise HandsonError(
            "fine_tune finds no layer that was trained before, or loaded: all weights are as they were drawn. Load "
            "weights first; or train the net with fit; or say how many layers are new, fine_tune(head=1)."
        )
    return new, before


def _shares(given: Optimizer, beneath: list[Unit], head: list[Unit], decay: float) -> dict[str, float]:
    """Multipliers of the learning rate: the optimizer's own, and those of layers beneath the head, by their paths."""
    if not 0 < number("layer_decay", decay) <= 1:
        raise HandsonError(f"layer_decay lies above 0, and is 1 at most; got {decay!r}.")
    if decay != 1 and any(not unit.path for unit in beneath):
        raise HandsonError("layer_decay is for layers, and the net has weights of its own: put them into a layer.")
    own = given.rate_multipliers or {}
    powers = enumerate(reversed(beneath), 1)
    found = own if decay == 1 else own | {unit.path: float(decay) ** power for power, unit in powers}
    # A path is a name too, and layers of the head may have it: they keep their rate.
    kept = {unit.path: share_of(unit.path, tuple(own.items())) for unit in head}
    return found | {path: share for path, share in kept.items() if share_of(path, tuple(found.items())) != share}


def _folder(arguments: dict[str, Any], phase: str) -> dict[str, Any]:
    run = arguments.get("run")
    return {} if run is None else {"run": Path(os.fspath(run)) / phase}


def _joined(first: History, second: History) -> History:
    """One history of two trainings, the second of which went on."""
    found = History()
    for part in (first, second):
        for place, epoch in enumerate(part.epoch):
            found.append(epoch, {name: values[place] for name, values in part.history.items()})
    found.params, found.seed, found.journal = second.params, second.seed, second.journal
    found.notes = list(dict.fromkeys([*first.notes, *second.notes]))
    found.seconds = first.seconds + second.seconds
    return found
