"""What users give layers of texts and categories: lists, arrays, tables and batches, as arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from torch import Tensor

from handson.core.errors import HandsonError, whole
from handson.core.masked import masked_as_missing, unmasked
from handson.graph import Node
from handson.graph.conversion import TEXT

Array = Any  # np.ndarray or Tensor


def _first(values: Any) -> Any:
    """The first value in nested lists."""
    while isinstance(values, (list, tuple)) and values:
        values = values[0]
    return values


def given(layer: str, values: Any) -> Array:
    """Values as an array or a tensor; texts as an array of objects, so that none is padded to the longest.

    Examples
    --------
    >>> given("StringLookup", [["a", "b"], ["c", "d"]]).shape
    (2, 2)
    """
    if isinstance(values, (Tensor, np.ndarray)):
        return masked_as_missing(values)
    if isinstance(values, (list, tuple)):
        first = _first(values)
        textual = isinstance(first, (str, bytes))
        if isinstance(first, (np.ndarray, Tensor)):
            values = [unmasked(value) for value in values]
        try:
            found = np.array(values, dtype=object if textual else None)
        except ValueError:
            found = None
        if found is None or (found.size and isinstance(found.flat[0], (list, tuple))):
            raise HandsonError(
                f"{layer}: the rows of a list have the same length; got rows of several. Make them equal with "
                f"handson.utils.pad_sequences, or join the words of a row to one text for TextVectorization."
            )
        return found
    return unmasked(values)


def is_textual(values: Array) -> bool:
    """Whether an array holds texts, or objects that may be."""
    return isinstance(values, np.ndarray) and values.dtype.kind in "USOT"


def texts(layer: str, values: Array, encoding: str = "utf-8") -> list[str]:
    """All values of an array, in its order, as Python's texts."""
    if not is_textual(values):
        came = str(getattr(values, "dtype", type(values).__name__)).removeprefix("torch.")
        raise HandsonError(f"{layer} takes texts; got {came}.")
    flat = values.ravel().tolist()
    for place, value in enumerate(flat):
        if type(value) is not str:
            flat[place] = _decoded(layer, value, place, encoding)
    return flat


def _decoded(layer: str, value: Any, place: int, encoding: str) -> str:
    if isinstance(value, bytes):
        return value.decode(encoding)
    if isinstance(value, str):
        return str(value)
    raise HandsonError(f"{layer} takes texts; value {place} is {value!r}. Write '' for a text that is missing.")


def batches(layer: str, data: Any, steps: int | None = None) -> Iterator[Array]:
    """The batches of what a layer adapts to: an array, a list or a table is one; anything else gives them one by one.

    Parameters
    ----------
    layer : str
        Its name, for errors.
    data : array, list, table or iterable of batches
        Without targets.
    steps : int, optional
        How many batches are taken.
    """
    if isinstance(data, (str, bytes)):
        raise HandsonError(f"{layer}.adapt takes a list or an array of texts; got one text. Write [text].")
    if not _is_whole(data) and isinstance(data, Iterable):
        for batch in itertools.islice(data, None if steps is None else whole("steps", steps, 1)):
            if isinstance(batch, (tuple, dict)):
                raise HandsonError(
                    f"{layer}.adapt takes batches of one array; got {type(batch).__name__}s. Leave out targets: "
                    f"data.map(lambda x, y: x), or (x for x, y in data)."
                )
            yield given(layer, batch)
        return
    if steps is not None:
        raise HandsonError(f"{layer}.adapt: steps counts batches, and an array or a list is one; leave it out.")
    if not hasattr(data, "__array__") and not isinstance(data, (list, tuple)):
        raise HandsonError(f"{layer}.adapt takes an array, a list or an iterable of batches; got {data!r}.")
    yield given(layer, data)


def _is_whole(data: Any) -> bool:
    return isinstance(data, (list, tuple, Tensor)) or hasattr(data, "__array__")


def check_symbols(layer: Any, node: Node) -> None:
    """Raise unless a layer of texts, in a net between symbols, stands behind an input of texts."""
    if getattr(layer, "invert", False):
        raise HandsonError(
            f"{type(layer).__name__} {layer.name!r} gives texts, and what a net gives are numbers: apply it to what "
            f"net.predict(x) gives."
        )
    if any(symbol.dtype is not TEXT for symbol in node.inputs):
        raise HandsonError(
            f"{type(layer).__name__} {layer.name!r} takes texts: put it behind Input((1,), dtype='string'), or apply "
            f"it to the data first, and begin the net with an Input for the numbers that it gives."
        )
    if layer.output_mode != "int":
        layer.ready_to_look_up()
