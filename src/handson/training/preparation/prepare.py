"""From the arguments of `fit` to a job: data into tensors, the split, the contract, the scaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.averages import Average
from handson.core import tree
from handson.core.errors import HandsonError
from handson.core.masked import masked_as_missing, unmasked
from handson.core.pure import is_builtin, is_declared
from handson.data.rows import arrays
from handson.data.rows.batches import Batches
from handson.data.rows.feed import arriving
from handson.data.rows.scaling import fit_scaling
from handson.data.rows.split import split
from handson.data.rows.stored import Data, StoredRows, pieces
from handson.layers.base import Layer
from handson.losses import BinaryCrossentropy
from handson.state.state import ModuleLike
from handson.training.preparation import contract, given
from handson.training.preparation.class_weights import class_weights
from handson.training.preparation.compiled import Term
from handson.training.preparation.job import Job
from handson.training.preparation.net import Net, module_of

# Rows that the net sees before training, to learn the shape and range of its outputs.
PROBE_ROWS = 8


@dataclass
class Rows:
    """Inputs, targets and weights of some rows, as leaves, checked and ready for a net.

    `notes`: what was noticed; `kept`: which rows these are of those that were given, where some were left out.
    """

    inputs: list[Data]
    targets: list[Data]
    weights: list[Tensor | None]
    masked: list[bool]
    notes: list[str] = field(default_factory=list)
    target_form: Any = 0
    kept: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.inputs[0])

    def take(self, rows: np.ndarray) -> Rows:
        """Some of these rows."""
        return Rows(
            [_taken(leaf, rows) for leaf in self.inputs],
            [_taken(leaf, rows) for leaf in self.targets],
            [None if leaf is None else leaf[torch.from_numpy(rows).to(leaf.device)] for leaf in self.weights],
            list(self.masked),
            self.notes,
            self.target_form,
        )

    def batches(self, batch_size: int, device: torch.device, shuffle: bool = False, seed: int = 0) -> Batches:
        """Batches of these rows on a device."""
        # Engines have memory for a whole batch, which is no larger than all rows.
        size = min(batch_size, len(self))
        rows = Batches(self.inputs, self.targets, self.weights, size, shuffle, seed, self.masked)
        return rows.to(device)


def _taken(data: Data, rows: np.ndarray) -> Data:
    """Some rows: copies, or a view of a file."""
    return data.select(rows) if isinstance(data, StoredRows) else data[torch.from_numpy(rows).to(data.device)]


def prepare_rows(
    model: Net, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, missing: str = "mask"
) -> Rows:
    """Check inputs and targets against each other and against the net, which is built if it is not yet."""
    notes: list[str] = []
    given.check_order(x, y, sample_weight)
    inputs = given.prepare_inputs(model, x, notes)
    outputs = looked_at(model, inputs)
    rows = Rows(inputs, [], [], [], notes)
    rows = complete(rows, model, y, outputs, sample_weight, class_weight, missing)
    for term, targets, masked in zip(model.terms, rows.targets, rows.masked, strict=False):
        if masked and term.loss is not None and not _counted(term.loss, targets).any():
            what = "labels" if term.loss.targets == "labels" else "targets"
            raise HandsonError(f"all {what} are missing (NaN): there is nothing to learn from.")
    return rows


def check_weights(model: Net, rows: Rows) -> None:
    """Raise when no target counts, because the weights of their rows are 0; of several outputs one may count."""
    weighed = [
        weights is None or bool((weights[_counted(term.loss, targets)] > 0).any())
        for term, targets, weights in zip(model.terms, rows.targets, rows.weights, strict=False)
        if term.loss is not None
    ]
    if weighed and not any(weighed):
        raise HandsonError(
            "the weights of all rows that have a target are 0: there is nothing to learn from. Look at sample_weight "
            "and class_weight."
        )


def _counted(loss: Average, targets: Data) -> Tensor:
    """Which rows have a target."""
    found = [loss.present(piece) for _, piece in pieces(targets)]
    return torch.cat([piece.reshape(len(piece), -1).any(1) for piece in found])


def looked_at(model: Net, inputs: Sequence[Data]) -> list[Tensor]:
    """The outputs for the first rows, checked; none for a net that has steps of its own, and computes nothing else."""
    if not model.computes and model.own_steps:
        return []
    outputs = model.probe([arriving(leaf[:PROBE_ROWS]).clone() for leaf in inputs])
    terms = model.terms
    if not any(term.loss is not None for term in terms) and not model.own_steps and not model.losses:
        raise HandsonError(
            "compile has no loss: give compile(optimizer, loss=...), or let a layer add one with add_loss, or define "
            "compute_loss or train_step in a subclass of Model."
        )
    contract.check_outputs(outputs, model, terms)
    return outputs


def _as_given(rows: Rows, y: Any, sample_weight: Any) -> Rows:
    """Rows with targets as the user gave them, for a net that compares them with its outputs itself."""
    if y is not None:
        rows.target_form = tree.spec(y)
        for leaf in tree.leaves(y):
            ids = arrays.as_ids(leaf, "targets")
            rows.targets.append(arrays.as_rows(leaf, "targets") if ids is None else ids)
            arrays.check_rows(rows.inputs[0], {"targets": rows.targets[-1]})
    if sample_weight is not None:
        rows.weights.append(arrays.as_tensor(sample_weight, "sample weights").to(torch.float32))
    return rows


def complete(
    rows: Rows, model: Net, y: Any, outputs: Sequence[Tensor], sample_weight: Any = None, class_weight: Any = None,
    missing: str = "mask",
) -> Rows:  # fmt: skip
    """Rows of which the inputs are ready, with targets and weights that fit some outputs of the net."""
    terms, names = model.terms, model.output_names
    if model.own_steps:
        if model.scale_targets is not None:
            raise HandsonError("scale_targets is for the losses of compile; this net has steps or a loss of its own.")
        if not outputs or any(term.loss is None for term in terms):
            return _as_given(rows, y, sample_weight)
        rows.target_form = tree.spec(y)
    if y is None and any(term.loss is not None for term in terms):
        raise HandsonError("training and evaluation need targets: fit(x, y), evaluate(x, y).")
    if len(names) == 1:
        y, sample_weight = given.of_rows(y, len(rows)), given.of_rows(sample_weight, len(rows))
    each_weight = given.for_outputs("sample_weight", sample_weight, names, shared=True)
    by_class = given.for_outputs("class_weight", class_weight, names, shared=len(names) == 1)
    known = model.target_names if len(names) > 1 and model.target_names else [None] * len(names)
    parts = map(arrays.in_known_order, given.for_outputs("targets", y, names), known)
    for number, (term, raw) in enumerate(zip(terms, parts, strict=True)):
        target, masked = _target(model, number, term, raw, outputs[number], rows)
        rows.targets.append(target)
        rows.masked.append(masked)
        weights = _weights(target, each_weight[number], by_class[number], term, outputs[number].shape[-1])
        arrays.check_rows(rows.inputs[0], {"sample_weight": weights})
        rows.weights.append(weights)
    return _drop_missing(rows, model) if missing == "drop" and any(rows.masked) else rows


def _target(model: Net, number: int, term: Term, raw: Any, outputs: Tensor, rows: Rows) -> tuple[Data, bool]:
    """The targets of one output, and whether some are missing; an output without a loss needs none."""
    if term.loss is None and not term.measured():
        return torch.zeros(len(rows), 0), False
    if raw is None:
        raise HandsonError(f"the output {term.path or 'of the net'!r} has a loss and needs targets; got None.")
    raw = masked_as_missing(raw)
    raw = raw if isinstance(raw, (Tensor, StoredRows)) or hasattr(raw, "iloc") else np.asarray(raw)
    arrays.check_rows(rows.inputs[0], {"targets": raw})
    average = term.loss or term.measured()[0][0]
    double = model.keeps_double("target", number)
    target, masked = contract.prepare_targets(raw, average, outputs, arrays.columns_of(raw), double)
    if not model.computes_double:
        rows.notes += given.rounding(raw, "targets", "scale_targets", double)
    metrics = [metric for metric, _ in term.measured()]
    if term.distribution is not None:  # metrics are given its mean
        outputs = term.point(term.in_units(outputs, None))
    contract.check_metrics(metrics, average, target, outputs)
    rows.notes += contract.clipped(average, outputs, contract.final_layer(model, number))
    rows.notes += contract.broadcast_metrics(metrics, average, target, outputs)
    rows.notes += contract.shared_metrics(metrics, target)
    return target, masked


def _weights(targets: Data, sample_weight: Any, class_weight: Any, term: Term, columns: int) -> Tensor | None:
    weights = None
    if sample_weight is not None:
        weights = arrays.as_tensor(sample_weight, "sample weights").to(torch.float32)
        weights = _of_targets(weights, targets, term)
        if not bool((torch.isfinite(weights) & (weights >= 0)).all()):
            raise HandsonError("sample weights are finite and not negative.")
    if class_weight is not None and term.loss is not None:
        by_class = class_weights(targets, class_weight, term.loss, columns)
        weights = by_class if weights is None else weights * by_class
    return weights


def _of_targets(weights: Tensor, targets: Data, term: Term) -> Tensor:
    """Weights of rows; or of their steps, where there are as many targets."""
    if weights.dim() < 2 or weights.numel() == len(targets):
        return weights.reshape(-1)
    weighed = [term.loss, *(metric for metric, _ in term.measured())]
    average = next((each for each in weighed if hasattr(each, "fitting_weights")), None)
    return weights if average is None else average.fitting_weights(weights, targets)


def _drop_missing(rows: Rows, model: Net) -> Rows:
    complete = np.ones(len(rows), bool)
    for term, targets in zip(model.terms, rows.targets, strict=True):
        if term.loss is not None:
            present = [term.loss.present(piece) for _, piece in pieces(targets)]
            complete &= torch.cat([piece.reshape(len(piece), -1).all(1) for piece in present]).cpu().numpy()
    if not complete.any():
        raise HandsonError("missing='drop' leaves no row: every row misses a target. Use missing='mask'.")
    kept = rows.take(np.flatnonzero(complete))
    kept.kept = complete
    kept.masked = [False] * len(kept.masked)
    kept.notes.append(
        f"missing='drop': {int(complete.sum())} of {len(complete)} rows have all targets; the others are left out."
    )
    return kept


def split_rows(model: Net, rows: Rows, fraction: float, seed: int, groups: Any = None) -> tuple[Rows, Rows, str]:
    """Split rows as `validation_split` and `groups` ask for; weights stay with those that train."""
    if groups is not None and rows.kept is not None and np.shape(groups)[:1] == rows.kept.shape:
        groups = unmasked(groups)[rows.kept]
    parts = split(len(rows), fraction, seed, classes_of(model, rows), groups)
    alike = replace(rows, weights=[None] * len(rows.weights))
    return rows.take(parts.train), alike.take(parts.validation), parts.description


def classes_of(model: Net, rows: Rows) -> np.ndarray | None:
    """The classes whose proportions a split keeps, one for each row; None where there are no classes."""
    loss, targets = model.loss, rows.targets[0]
    if loss is None:
        return None
    if loss.targets == "labels" and targets.dim() == 1:
        return targets[:].cpu().numpy()
    one_hot = loss.targets == "distribution" and targets.dim() == 2
    yes_or_no = isinstance(loss, BinaryCrossentropy) and targets[0].numel() == 1
    if not (one_hot or yes_or_no) or not _are_classes(targets):
        return None
    if one_hot:
        return np.concatenate([torch.nan_to_num(piece).argmax(1).cpu().numpy() for _, piece in pieces(targets)])
    return targets[:].reshape(-1).cpu().numpy()


def _are_classes(targets: Data) -> bool:
    """Whether every target is 0, 1 or missing: soft ones belong to no class."""
    return all(bool(((piece == 0) | (piece == 1) | torch.isnan(piece)).all()) for _, piece in pieces(targets))


def make_job(model: Net, rows: Rows, batches: Any, seed: int, augment: Any) -> Job:
    """The job of a compiled net; scalings that need data are measured on these rows the first time.

    Parameters
    ----------
    model : Net
        The net.
    rows : Rows
        All rows, or those that were read first.
    batches : function without arguments
        Gives the batches of the rows, once they are scaled.
    seed : int
        The seed of the training.
    augment : function, optional
        Changes each batch.
    """
    scale(model, rows)
    job = Job(
        module=module_of(model),
        terms=model.terms,
        optimizer=model.optimizer,
        device=model.device,
        batches=batches(),
        augment=augment,
        input_scalings=model.input_scalings or [None] * len(rows.inputs),
        target_scalings=model.target_scalings or [None] * len(rows.targets),
        seed=seed,
        foreign_randomness=has_foreign_randomness(model) or (augment is not None and may_draw(augment)),
        penalized=penalized_layers(model),
        precision=model.precision,
        target_form=rows.target_form,
    )
    for optimizer in (job.optimizer, *job.further.values()):
        if not any(optimizer.is_for(part) for part in model.modules()):  # a net inside may train by itself
            optimizer.claim(model)
        optimizer.keep_slots_of(dict(model.named_parameters()))
    return job


def scale(model: Net, rows: Rows) -> None:
    """Measure scalings that are asked for and not known yet."""
    if model.scale_inputs is not None and model.input_scalings is None:
        model.input_scalings = [
            fit_scaling(method, leaf, "inputs") if leaf.dtype.is_floating_point or leaf.dtype == torch.uint8 else None
            for method, leaf in zip(_each(model.scale_inputs, len(rows.inputs)), rows.inputs, strict=True)
        ]
    if model.scale_targets is not None and model.target_scalings is None:
        methods = _each(model.scale_targets, len(rows.targets))
        for term, method in zip(model.terms, methods, strict=True):
            if method is not None and term.loss is not None and term.loss.targets == "labels":
                raise HandsonError("scale_targets is for regression; labels of classes are not scaled.")
        model.target_scalings = [
            None if method is None or not leaf.numel() else fit_scaling(method, leaf, "targets")
            for method, leaf in zip(methods, rows.targets, strict=True)
        ]
    for term, scaling in zip(model.terms, model.target_scalings or [], strict=False):
        if scaling is not None and term.distribution is not None:
            term.distribution.check_scaling(scaling.scale)
    as_scaled(model, rows)


def as_scaled(model: Net, rows: Rows) -> None:
    """Leave float64 only where the scaling or the net's layers need it."""
    double = model.computes_double
    for leaves, scalings in ((rows.inputs, model.input_scalings), (rows.targets, model.target_scalings)):
        for number, leaf in enumerate(leaves):
            scaling = scalings[number] if scalings else None
            if leaf.dtype == torch.float64 and not (double if scaling is None else scaling.needs_double):
                leaves[number] = leaf.to(torch.float32)


def _each(method: Any, count: int) -> list[Any]:
    """How each of several leaves is scaled: all the same way, or as a list says."""
    several = isinstance(method, list) and len(method) == count and count > 1
    return list(method) if several else [method] * count


def penalized_layers(model: ModuleLike) -> list[Layer]:
    """The layers that have regularizers."""
    return [layer for layer in model.modules() if isinstance(layer, Layer) and layer.weight_regularizers]


def has_foreign_randomness(module: ModuleLike) -> bool:
    """Whether a net holds modules that are not handson's and may draw from torch's own generator."""
    return any(may_draw(layer) for layer in module.modules())


def may_draw(part: Any) -> bool:
    """Whether a part is not handson's, nor declared pure: it may draw from torch's own generator."""
    return not (is_builtin(part) or is_declared(part))
