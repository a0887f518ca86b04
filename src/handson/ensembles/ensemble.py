"""`Ensemble`: several nets that predict together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError, whole
from handson.data.rows import arrays
from handson.distributions import Empirical
from handson.ensembles.building import build_net
from handson.ensembles.together import Training, check_arguments, train_together
from handson.files.folders import load_net, read_index, save_nets
from handson.files.stored_history import StoredHistory
from handson.models import Model
from handson.randomness.keys import check_seed, fresh_seed
from handson.state.history import History
from handson.state.sums import Sums
from handson.training.measuring import raw_outputs
from handson.training.preparation.compiled import Term
from handson.training.preparation.objective import Objective
from handson.training.preparation.prepare import prepare_rows
from handson.training.spread import PredictOptions, RawOutput, answer

INDEX = "ensemble.json"
MOST_MEMBERS = 10_000
# Rows that are measured at a time.
PIECE = 1 << 16


class Ensemble:
    """Nets that are trained together and whose predictions are averaged.

    Each member trains as it would alone, with its own seed and the same engine, and ends with the same weights: bit for
    bit, but for rounding in large nets (`handson.ensembles.together`). Nets that have a compiled program
    (`engine='dense'`) train beside one another, one on each core; others one after another.

    Parameters
    ----------
    members : iterable of Model
        Compiled nets with the same outputs, trained or not. They share neither layers nor optimizers.

    Attributes
    ----------
    members : list of Model
        The nets.
    histories : list of History
        Their trainings, after `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from handson import Sequential
    >>> from handson.layers import Dense
    >>> def build(seed):
    ...     net = Sequential([Dense(8, activation="relu"), Dense(1)], seed=seed)
    ...     net.compile("adam", "mse")
    ...     return net
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> ensemble = Ensemble(build(seed) for seed in range(3)).fit(x, x.sum(1), epochs=2, verbose=0)
    >>> mean, deviation = ensemble.predict(x, spread=True)
    >>> mean.shape, deviation.shape
    ((60, 1), (60, 1))
    """

    def __init__(self, members: Iterable[Model]) -> None:
        if isinstance(members, Model) or not isinstance(members, Iterable):
            raise HandsonError(
                f"Ensemble takes a list of compiled nets; got {members!r}. Copies of one net with other seeds: "
                f"deep_ensemble(net, x, y, members=5)."
            )
        self.members = list(members)
        self.histories: list[History] = []
        if not self.members:
            raise HandsonError("Ensemble takes at least one net; got none.")
        for number, net in enumerate(self.members):
            if not isinstance(net, Model) or not net.compiled:
                raise HandsonError(f"Ensemble takes compiled nets; member {number + 1} is {_what(net)}.")

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"Ensemble({len(self.members)} members)"

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        *,
        workers: int | None = None,
        **others: Any,
    ) -> Ensemble:
        """Train all members on the same rows.

        Parameters
        ----------
        x, y, batch_size, epochs, validation_split, validation_data
            As in `Model.fit`. The rows that `validation_split` holds out follow from a member's seed, unless `seed` is
            given.
        verbose : {'auto', 0, 1, 2}
            0: silent. Else a line for each member that trains beside others, and what `fit` shows for each other one.
        callbacks : list of Callback or function, optional
            Each member gets copies. A function of the member's name ('member_1', ...) gives each its own; callbacks
            that write files need that.
        workers : int, optional
            How many members train at a time where they can; by default one for each core. Results do not depend on it.
        **others
            Further arguments of `Model.fit`.

        Returns
        -------
        Ensemble
            Itself; what was measured is in `histories`.

        Raises
        ------
        HandsonError
            When members share a layer or optimizer, or as in `Model.fit`.
        TrainingError
            When the loss of a member becomes NaN or infinite; the message names the member.
        """
        check_arguments(others, (), "Ensemble.fit")
        settings = others | {
            "batch_size": batch_size,
            "epochs": epochs,
            "callbacks": callbacks,
            "validation_split": validation_split,
            "validation_data": validation_data,
        }
        inputs = inputs_of(x)
        trainings = [
            Training(net, f"member_{number}", inputs, lambda: {"x": inputs, "y": y}, dict(settings))
            for number, net in enumerate(self.members, 1)
        ]
        train_together(trainings, verbose, workers)
        self.histories = [training.history for training in trainings]
        return self

    def predict(self, x: Any, batch_size: int | None = None, *, spread: bool = False, quantiles: Any = None) -> Any:
        """The mean of the members' predictions.

        It is the mean of what `Model.predict` gives: of probabilities where nets end with softmax or sigmoid.

        Parameters
        ----------
        x : array, tensor or DataFrame, shape (n, ...)
            Inputs.
        batch_size : int, optional
            Rows at a time.
        spread : bool
            Also give the standard deviation: over the members (`numpy.std`), how far they disagree. Of nets that
            predict distributions it is that of the mixture of all, whose variance is the mean of the members'
            variances (aleatoric) and the variance of their means (epistemic).
        quantiles : sequence of float, optional
            Give the quantiles of that mixture at these levels instead.

        Returns
        -------
        ndarray, shape (n, ...); a list or dictionary for a net with several outputs
            With `spread` a `Prediction`, mean and spread; with `quantiles` shape (levels, n, ...).
        """
        if spread not in (True, False):
            raise HandsonError(f"Ensemble.predict(spread=...) is True or False; got {spread!r}.")
        return answer(
            PredictOptions(spread, quantiles),
            self._raw_outputs(inputs_of(x), batch_size),
            self.members[0].arranged_outputs,
        )

    def _raw_outputs(self, inputs: Any, batch_size: int | None = None) -> list[RawOutput]:
        """What the members say, for each output."""
        each = [raw_outputs(net, inputs, PredictOptions(batch_size=batch_size)) for net in self.members]
        return [
            RawOutput(
                [family or Empirical(1) for one in of_one for family in one.families],
                [leaf for one in of_one for leaf in one.parameters],
            )
            for of_one in zip(*each, strict=True)
        ]

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        *,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics of the mean prediction, without penalties of regularizers.

        Loss, metrics and the scaling of targets in the loss are those of the first member. Of nets that predict
        distributions it is the mixture of all that is judged.

        Returns
        -------
        float, list of float or dict
            The loss; with metrics a list of the loss and the metrics; with `return_dict` a dictionary by name.
        """
        net, inputs = self.members[0], inputs_of(x)
        rows = prepare_rows(net, inputs, arrays.targets_by_name(y, net.target_names), sample_weight)
        together = [
            _judged(term, one) for term, one in zip(net.terms, self._raw_outputs(inputs, batch_size), strict=True)
        ]
        predictions = [leaf for _, leaf in together]
        scalings = net.target_scalings or [None] * len(predictions)
        objective, sums = Objective([term for term, _ in together], scalings), Sums()
        for first in range(0, len(rows), PIECE):
            piece = slice(first, first + PIECE)
            outputs, targets = [leaf[piece] for leaf in predictions], [leaf[piece].cpu() for leaf in rows.targets]
            weights = [None if leaf is None else leaf[piece].cpu() for leaf in rows.weights]
            trios = zip(objective.terms, outputs, scalings, strict=True)
            scaled = [term.scaled(leaf, scaling) for term, leaf, scaling in trios]
            objective.totals(targets, scaled, weights, rows.masked, None, sums)
            objective.measure(targets, scaled, weights, rows.masked, sums)
        means = objective.report(sums)
        return means if return_dict else list(means.values()) if net.metrics else means["loss"]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Save all members into a folder: one model file each, and an index in JSON."""
        index = {"members": len(self.members), "histories": [history.to_json() for history in self.histories]}
        save_nets(folder, {f"member_{number}": net for number, net in enumerate(self.members, 1)}, INDEX, index)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Ensemble:
        """The ensemble saved in a folder.

        Raises
        ------
        FileNotFoundError
            When a file is not there.
        HandsonError
            When a file is damaged.
        """
        index = read_index(folder, INDEX, Index, "is no ensemble")
        ensemble = cls(load_net(folder, f"member_{number}") for number in range(1, index.members + 1))
        ensemble.histories = [History().take(stored.model_dump()) for stored in index.histories]
        return ensemble


def _judged(term: Term, output: RawOutput) -> tuple[Term, Tensor]:
    """The term of one output for what the members say together, and that."""
    if term.distribution is None:
        return term, torch.from_numpy(output.mean())
    family, parameters = output.pooled()
    return term.read_from(family), parameters


class Index(BaseModel):
    """What is in the index of a folder of an ensemble."""

    members: int = Field(ge=1, le=MOST_MEMBERS)
    histories: list[StoredHistory]


def deep_ensemble(
    build: Any, x: Any, y: Any = None, members: int = 5, *, seed: int | None = None, **fit_arguments: Any
) -> Ensemble:
    """Train copies of a net that differ in their seed; the spread of their predictions says how sure they are.

    Member k has the seed ``seed + k``, which draws its initial weights, the order of its rows and its dropout.

    Parameters
    ----------
    build : function or Model
        A function that returns a compiled net, given the member's seed if it has an argument `seed`; or a compiled net,
        which is copied.
    x, y
        As in `Model.fit`.
    members : int
        How many copies.
    seed : int, optional
        The first member's seed; by default a fresh one.
    **fit_arguments
        As in `Ensemble.fit`: epochs, batch_size, validation_data, callbacks, verbose, workers, ...

    Returns
    -------
    Ensemble
        Trained.

    References
    ----------
    B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and scalable predictive uncertainty estimation using deep
    ensembles", NeurIPS 2017. Their members also predict a variance; here the spread is that of the means.

    Examples
    --------
    >>> import numpy as np
    >>> from handson import Sequential
    >>> from handson.layers import Dense
    >>> net = Sequential([Dense(8, activation="tanh", input_dim=1), Dense(1)])
    >>> net.compile("adam", "mse")
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> ensemble = deep_ensemble(net, x, x**2, members=3, seed=0, epochs=2, verbose=0)
    >>> [member.seed for member in ensemble.members]
    [0, 1, 2]
    """
    check_arguments(fit_arguments.keys() - {"workers"}, (), "deep_ensemble")
    first = fresh_seed() if seed is None else check_seed(seed)
    nets = [build_net(build, first + number) for number in range(whole("members", members, 1))]
    return Ensemble(nets).fit(x, y, **fit_arguments)


def inputs_of(x: Any) -> Any:
    """Inputs that all members share, as tensors with all of their digits; a DataFrame keeps its column names."""
    if isinstance(x, dict) or (isinstance(x, (list, tuple)) and all(hasattr(one, "shape") for one in x)):
        return tree.map_leaves(inputs_of, x)
    return x if arrays.columns_of(x) is not None else arrays.as_rows(x, "inputs", double=True)


def rows_in(x: Any) -> int:
    """How many rows some inputs have."""
    return len(tree.leaves(x)[0])


def _what(net: Any) -> str:
    return "not compiled: call net.compile(...) first" if isinstance(net, Model) else repr(net)
