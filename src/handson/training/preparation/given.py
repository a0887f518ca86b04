"""What users pass as inputs, targets and weights, one array or a list or dictionary of them, as lists of leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from handson.core import tree
from handson.core.errors import HandsonError, listing, nearest
from handson.data.rows import arrays, digits
from handson.data.rows.openings import is_batches
from handson.data.rows.stored import Data, StoredRows, pieces
from handson.graph.conversion import TEXT
from handson.graph.reading import holds_texts
from handson.layers.shapes import batched, flat_shapes
from handson.training.preparation.net import module_of

if TYPE_CHECKING:
    from handson.training.preparation.net import Net


def prepare_inputs(model: Net, x: Any, notes: list[str] | None = None) -> list[Data]:
    """The inputs as leaves, checked; the net is built for them if it is not yet. What was noticed goes to the notes."""
    form, leaves = checked_inputs(model, x, notes)
    model.seen_ids = [leaf.dtype == torch.int64 for leaf in leaves] if model.graph is None else None
    model.ready_for(tree.rebuild(form, [tuple(leaf.shape) for leaf in leaves]))
    return leaves


def more_inputs(model: Net, x: Any) -> list[Data]:
    """The inputs of a further batch for a net that is built, as leaves, checked; the net is not touched."""
    form, leaves = checked_inputs(model, x)
    model.check_shapes(batched(tree.rebuild(form, [tuple(leaf.shape) for leaf in leaves])))
    return leaves


def checked_inputs(model: Net, x: Any, notes: list[str] | None = None) -> tuple[Any, list[Data]]:
    """The form of the inputs, and their leaves, checked."""
    form, parts = _parts(model, _read(model, x))
    known = [model.input_columns] if len(parts) == 1 else model.input_columns or [None] * len(parts)
    for part, names in zip(parts, known, strict=True):
        if model.age and names is None:
            arrays.check_numbered(part, "inputs")
    parts = [arrays.by_name(part, names, "inputs") for part, names in zip(parts, known, strict=True)]
    integers = model.integer_inputs(len(parts))
    leaves: list[Data] = []
    shapes = flat_shapes(model.built_shape) if model.built_shape is not None else [None] * len(parts)
    for number, part in enumerate(parts):
        what = "inputs" if len(parts) == 1 else f"the input {number}"
        leaf = arrays.as_ids(part, what) if integers[number] else None
        double = leaf is None and model.keeps_double("input", number)
        leaf = arrays.as_rows(part, what, double) if leaf is None else leaf
        if len(leaf) == 0:
            raise HandsonError(f"there are no rows: {what} are empty.")
        arrays.check_finite(leaf, what, arrays.columns_of(part))
        for taker in model.takers(number) if integers[number] else ():
            if hasattr(taker, "check_ids"):
                for _, piece in pieces(leaf):
                    taker.check_ids(piece)
        if notes is not None and not integers[number] and not model.computes_double:
            notes += rounding(part, what, "scale_inputs", double)
        leaves.append(_ranked(leaf, shapes[number]))
    for leaf in leaves[1:]:
        arrays.check_rows(leaves[0], {"another input": leaf})
    return form, leaves


def _read(model: Net, x: Any) -> Any:
    """Inputs with numbers in place of texts."""
    if model.takes_texts and not holds_texts(x):
        names = [symbol.name for symbol in model.inputs if symbol.dtype is TEXT] if model.graph is not None else ["x"]
        raise HandsonError(
            f"the net {model.name!r} takes texts ({listing(names)}), as lists or arrays of them; there are none."
        )
    inside = [] if model.graph is not None or not holds_texts(x) else module_of(model).modules()
    reader = next((part for part in inside if getattr(part, "reads_texts", False)), None)
    if reader is not None and not model.takes_texts:
        raise HandsonError(
            f"the net {model.name!r} calls {reader.name!r} in its own `call`, where there are tensors and no texts: "
            f"apply the layer to the data first, or write the net as Model(inputs, outputs) behind "
            f"Input((1,), dtype='string')."
        )
    return model.read(x)


def check_order(x: Any, y: Any, sample_weight: Any) -> None:
    """Raise where tables of inputs, targets and weights hold the same rows in different orders."""
    inputs = _tables(x)
    named = [("other inputs", inputs[1:]), ("targets", _tables(y)), ("sample_weight", _tables(sample_weight))]
    for what, found in named if inputs else ():
        for table in found:
            arrays.check_order(inputs[0], what, table)


def check_groups(x: Any, groups: Any) -> None:
    """Raise where the groups of the rows are in another order than a table of inputs."""
    for table in _tables(x)[:1]:
        arrays.check_order(table, "groups", groups)


def _tables(data: Any) -> list[Any]:
    """The DataFrames and Series that a user gave, alone or in a list or dictionary."""
    parts = list(data.values()) if isinstance(data, dict) else data if isinstance(data, (list, tuple)) else [data]
    return [part for part in parts if hasattr(part, "iloc")] if len(parts) and hasattr(parts[0], "shape") else []


def in_known_order(model: Net, y: Any) -> Any:
    """The targets of one output, their columns in the order that the net knows; of several outputs as they are."""
    return y if len(model.output_names) > 1 else arrays.in_known_order(y, model.target_names)


def remember_columns(model: Net, x: Any) -> None:
    """Know the columns of DataFrames of inputs by name from now on; only of those that could be used."""
    if model.input_columns is None and not is_batches(x):
        found = [arrays.input_names(part) for part in _parts(model, model.read(x))[1]]
        model.input_columns = found[0] if len(found) == 1 else found if any(found) else None


def _ranked(leaf: Data, shape: Any) -> Data:
    """An input with or without a last axis of one entry, as the net takes it: grey images, and single columns."""
    if shape is None:
        return leaf
    if leaf.dim() == len(shape) - 1 and shape[-1] == 1:
        return leaf.unsqueeze(-1)
    return leaf.squeeze(-1) if leaf.dim() == len(shape) + 1 and leaf.shape[-1] == 1 else leaf


def _parts(model: Net, x: Any) -> tuple[Any, list[Any]]:
    """The form of the inputs as the net takes them, and the arrays."""
    if model.graph is not None:
        count = len(model.graph.entries)
        if isinstance(x, dict) or (count > 1 and isinstance(x, (list, tuple))):
            x = tree.rebuild(tree.spec(model.graph.inputs), model.flat_inputs(x))
            return tree.spec(x), tree.leaves(x)
        if count > 1:
            raise HandsonError(
                f"the net {model.name!r} takes {count} inputs ({', '.join(model.input_names)}): pass a list of arrays, "
                f"or a dictionary by these names; got one {type(x).__name__}."
            )
        return tree.spec(model.graph.inputs), [_only(x)]
    if isinstance(x, dict) or (_several(x) and not model.is_stack):
        return tree.spec(x), tree.leaves(x)
    return 0, [_only(x)]


def _several(x: Any) -> bool:
    """Whether this is a list of arrays, and not an array written as a list."""
    return (
        isinstance(x, (list, tuple)) and len(x) > 0 and all(hasattr(one, "shape") and len(one.shape) > 0 for one in x)
    )


def _only(x: Any) -> Any:
    """The array in a list of one, as Keras takes it; anything else as it is."""
    alone = isinstance(x, (list, tuple)) and len(x) == 1 and hasattr(x[0], "shape") and len(x[0].shape) > 1
    return x[0] if alone else x


def of_rows(values: Any, rows: int) -> Any:
    """What belongs to so many rows: the array in a list of one, as Keras takes it for a net with one output."""
    alone = isinstance(values, (list, tuple)) and len(values) == 1 and hasattr(values[0], "shape")
    return values[0] if alone and values[0].shape[:1] == (rows,) else values


def for_outputs(what: str, values: Any, names: Sequence[str], shared: bool = False) -> list[Any]:
    """What belongs to each output: the value itself for one, else from a list in their order, or by name.

    Parameters
    ----------
    what : str
        The argument, for errors.
    values : object
        What was passed.
    names : sequence of str
        The names of the outputs.
    shared : bool
        Whether a value that is neither a list nor a dictionary is for all outputs.
    """
    count = len(names)
    if values is None:
        return [None] * count
    if isinstance(values, dict) and values and (count > 1 or set(values) <= set(names)):
        unknown = [name for name in values if name not in names]
        if unknown:
            raise HandsonError(
                f"{what} name the output {unknown[0]!r}, which the net has not.{nearest(str(unknown[0]), names)} Its "
                f"outputs: {listing(names)}."
            )
        return [values.get(name) for name in names]
    if count == 1:
        return [_only(values)]
    if isinstance(values, (list, tuple)) and len(values) == count:
        return list(values)
    if shared:
        return [values] * count
    raise HandsonError(
        f"the net has {count} outputs ({listing(names)}), so {what} are a list of {count} or a dictionary by these "
        f"names; got {type(values).__name__}{f' of {len(values)}' if isinstance(values, (list, tuple)) else ''}."
    )


def rounding(data: Any, what: str, cure: str, scaled: bool) -> list[str]:
    """What to tell the user where float32 rounds values by more than a small share of their spread.

    Parameters
    ----------
    data : object
        What the user gave.
    what, cure : str
        Its name, and the argument of `compile` that helps.
    scaled : bool
        Whether it is scaled in float64 first.
    """
    if isinstance(data, (Tensor, StoredRows)) and data.dtype not in (torch.float64, torch.int64, torch.int32):
        return []
    values = data.to_numpy() if hasattr(data, "to_numpy") else np.asarray(data)
    if values.dtype.kind not in "iuf" or values.dtype.itemsize < 8 or values.ndim not in (1, 2) or not values.size:
        return []
    rounded = () if scaled else tuple(digits.rounded(values))
    places = rounded or tuple(digits.crowded(_standard(values) if scaled else values))
    if not places:
        return []
    names = arrays.columns_of(data) or [str(column) for column in range(values[0].size)]
    where = f"{what}: column {names[places[0]]!r}" if values.ndim == 2 else what
    if not rounded:
        return [f"{where}: {digits.CROWDED}"]
    return [
        f"{where} would lose digits: float32 has 7 of them, and the values differ in later ones. "
        f"compile(..., {cure}='standard') scales them first, in float64."
    ]


def _standard(values: np.ndarray) -> np.ndarray:
    """Some rows with a mean of 0 and a spread of 1."""
    rows = values[:: -(-len(values) // digits.ROWS_LOOKED_AT)].astype(np.float64)
    present = np.isfinite(rows)
    count = np.maximum(present.sum(0), 1)
    centered = np.where(present, rows - np.where(present, rows, 0.0).sum(0) / count, 0.0)
    spread = np.sqrt((centered**2).sum(0) / count)
    return np.where(present, centered / np.where(spread > 0, spread, 1.0), np.nan)
