"""From the arguments of `fit` to a job: data into tensors, the split, the contract, the scaling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from handson.core.errors import HandsonError
from handson.data.rows import arrays
from handson.data.rows.batches import Batches
from handson.data.rows.mapped import Data, MappedRows, pieces
from handson.data.rows.masked import masked_as_missing
from handson.data.rows.scaling import fit_scaling
from handson.data.rows.split import split
from handson.layers.base import Layer
from handson.losses import BinaryCrossentropy
from handson.training.preparation import contract
from handson.training.preparation.class_weights import class_weights
from handson.training.preparation.job import Job

if TYPE_CHECKING:
    from handson.models import Model

# Rows that the net sees before training, to learn the shape and range of its outputs.
PROBE_ROWS = 8


@dataclass
class Rows:
    """Inputs, targets and weights of some rows, checked and ready for a net; `note` says what was left out."""

    inputs: Data
    targets: Data
    weights: Tensor | None
    masked: bool
    note: str = ""

    def take(self, rows: np.ndarray) -> Rows:
        """Some of these rows."""
        weights = None if self.weights is None else self.weights[torch.from_numpy(rows).to(self.weights.device)]
        return Rows(_taken(self.inputs, rows), _taken(self.targets, rows), weights, self.masked)

    def batches(self, batch_size: int, device: torch.device, shuffle: bool = False, seed: int = 0) -> Batches:
        """Batches of these rows on a device."""
        rows = Batches(self.inputs, self.targets, self.weights, batch_size, shuffle, seed, self.masked)
        return rows.to(device)


def _taken(data: Data, rows: np.ndarray) -> Data:
    """Some rows: copies, or a view of a file."""
    return data.select(rows) if isinstance(data, MappedRows) else data[torch.from_numpy(rows).to(data.device)]


def prepare_rows(
    model: Model, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, missing: str = "mask"
) -> Rows:
    """Check inputs and targets against each other and against the net, which is built if it is not yet."""
    x = arrays.by_name(x, model.input_names, "inputs")
    columns = arrays.columns_of(x)
    inputs = arrays.as_rows(x, "inputs")
    if len(inputs) == 0:
        raise HandsonError("there are no rows: the inputs are empty.")
    if y is None:
        raise HandsonError("training and evaluation need targets: fit(x, y), evaluate(x, y).")
    arrays.check_finite(inputs, "inputs", columns)
    model.ensure_built(inputs)
    outputs = model.probe(inputs[:PROBE_ROWS])
    contract.check_outputs(outputs, model, model.loss)
    raw = masked_as_missing(y)
    raw = raw if isinstance(raw, (Tensor, MappedRows)) or hasattr(raw, "iloc") else np.asarray(raw)
    arrays.check_rows(inputs, {"targets": raw})
    targets, masked = contract.prepare_targets(raw, model.loss, outputs, arrays.columns_of(y))
    contract.check_metrics(model.metrics, model.loss, targets, outputs)
    weights = _weights(targets, sample_weight, class_weight, model, outputs.shape[-1])
    arrays.check_rows(inputs, {"sample_weight": weights})
    rows = Rows(inputs, targets, weights, masked)
    return _drop_missing(rows, model) if missing == "drop" and masked else rows


def _weights(targets: Data, sample_weight: Any, class_weight: Any, model: Model, outputs: int) -> Tensor | None:
    weights = None
    if sample_weight is not None:
        weights = arrays.as_tensor(sample_weight, "sample weights").to(torch.float32).reshape(-1)
        if not bool((torch.isfinite(weights) & (weights >= 0)).all()):
            raise HandsonError("sample weights are finite and not negative.")
    if class_weight is not None:
        by_class = class_weights(targets, class_weight, model.loss, outputs)
        weights = by_class if weights is None else weights * by_class
    return weights


def _drop_missing(rows: Rows, model: Model) -> Rows:
    present = [model.loss.present(piece) for _, piece in pieces(rows.targets)]
    complete = torch.cat([piece.reshape(len(piece), -1).all(1) for piece in present]).cpu().numpy()
    if not complete.any():
        raise HandsonError("missing='drop' leaves no row: every row misses a target. Use missing='mask'.")
    kept = rows.take(np.flatnonzero(complete))
    kept.masked = False
    kept.note = (
        f"missing='drop': {int(complete.sum())} of {len(complete)} rows have all targets; the others are left out."
    )
    return kept


def split_rows(model: Model, rows: Rows, fraction: float, seed: int, groups: Any = None) -> tuple[Rows, Rows, str]:
    """Split rows as `validation_split` and `groups` ask for; weights stay with those that train."""
    parts = split(len(rows.inputs), fraction, seed, classes_of(model, rows), groups)
    return rows.take(parts.train), replace(rows, weights=None).take(parts.validation), parts.description


def classes_of(model: Model, rows: Rows) -> np.ndarray | None:
    """The classes whose proportions a split keeps, one for each row; None where there are no classes."""
    if model.loss.targets == "labels" and rows.targets.dim() == 1:
        return rows.targets[:].cpu().numpy()
    one_hot = model.loss.targets == "distribution" and rows.targets.dim() == 2
    yes_or_no = isinstance(model.loss, BinaryCrossentropy) and rows.targets[0].numel() == 1
    if not (one_hot or yes_or_no) or not _are_classes(rows.targets):
        return None
    if one_hot:
        return np.concatenate([torch.nan_to_num(piece).argmax(1).cpu().numpy() for _, piece in pieces(rows.targets)])
    return rows.targets[:].reshape(-1).cpu().numpy()


def _are_classes(targets: Data) -> bool:
    """Whether every target is 0, 1 or missing: soft ones belong to no class."""
    return all(bool(((piece == 0) | (piece == 1) | torch.isnan(piece)).all()) for _, piece in pieces(targets))


def make_job(model: Model, rows: Rows, batch_size: int, shuffle: bool, seed: int, augment: Any) -> Job:
    """The job of a compiled net; scalings that need data are measured on these rows the first time."""
    _fit_scalings(model, rows)
    model.optimizer.keep_slots_of(dict(model.named_parameters()))
    return Job(
        module=model,
        loss=model.loss,
        metrics=model.metrics,
        optimizer=model.optimizer,
        device=model.device,
        batches=rows.batches(batch_size, model.device, shuffle, seed),
        augment=augment,
        input_scaling=model.input_scaling,
        target_scaling=model.target_scaling,
        seed=seed,
        foreign_randomness=has_foreign_randomness(model) or (augment is not None and is_foreign(augment)),
        penalized=penalized_layers(model),
        precision=model.precision,
    )


def penalized_layers(model: Model) -> list[Layer]:
    """The layers that have regularizers."""
    return [layer for layer in model.modules() if isinstance(layer, Layer) and layer.weight_regularizers]


def _fit_scalings(model: Model, rows: Rows) -> None:
    if model.scale_inputs is not None and model.input_scaling is None:
        model.input_scaling = fit_scaling(model.scale_inputs, rows.inputs, "inputs")
    if model.scale_targets is not None and model.target_scaling is None:
        if model.loss.targets == "labels":
            raise HandsonError("scale_targets is for regression; labels of classes are not scaled.")
        model.target_scaling = fit_scaling(model.scale_targets, rows.targets, "targets")


def has_foreign_randomness(module: nn.Module) -> bool:
    """Whether a net holds modules that are not handson's and may draw from torch's own generator."""
    return any(is_foreign(layer) for layer in module.modules())


def is_foreign(part: Any) -> bool:
    """Whether the class of an object is not handson's."""
    return type(part).__module__.split(".")[0] != "handson"
