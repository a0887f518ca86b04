"""Nets as ONNX, which other programs run: written by PyTorch, and compared with the net before the file is there."""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handson.core import tree
from handson.core.errors import HandsonError, shortened
from handson.files import atomic

NEEDED = ("onnx", "onnxscript", "onnxruntime")
# What stands for a size that varies, and the batches that the file is tried on; it is written with the first.
SIZE, ROWS = 6, (2, 3)
# By how much outputs may differ, for one, and as a share.
CLOSE = 1e-4


class Predicting(nn.Module):
    """A net with its scalings, from the inputs as leaves to the outputs that `predict` gives as leaves."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *leaves: Tensor) -> tuple[Tensor, ...]:
        model = self.model
        before = model.input_scalings or [None] * len(leaves)
        scaled = [leaf if one is None else one.apply(leaf) for one, leaf in zip(before, leaves, strict=True)]
        outputs = tree.leaves(model(model.arranged(scaled)))
        after = model.target_scalings or [None] * len(outputs)
        return tuple(leaf if one is None else one.undo(leaf) for one, leaf in zip(after, outputs, strict=True))


def export(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a net as ONNX, for batches of any size.

    Parameters
    ----------
    model : Model
        A built net with symbols for its inputs.
    path : str or path
        The file; there is none if it would give other outputs than the net.

    Raises
    ------
    HandsonError
        When a library is missing, when PyTorch cannot write the net, or when the outputs of the file, on two batches of
        different sizes, are not those of the net.
    """
    for library in NEEDED:
        try:
            importlib.import_module(library)
        except ImportError:
            raise HandsonError(f"ONNX needs {library}: pip install 'handson[onnx]'.") from None
    if model.graph is None:
        raise HandsonError(
            f"the net {model.name!r} is no graph of layers that is built: give the first layer an input_shape, or "
            f"write it as Model(inputs, outputs)."
        )
    if model.takes_texts:
        raise HandsonError(
            f"the net {model.name!r} takes texts, which ONNX's numbers are not: write what lies behind the layers that "
            f"read them, Model(net.graph.inputs, net.graph.outputs).export(...)."
        )
    was_training = model.training
    model.eval()
    try:
        atomic.write(path, lambda place: _fill(model, place, Path(path)))
    finally:
        model.train(was_training)


def _fill(model: Any, place: Path, path: Path) -> None:
    net = Predicting(model)
    inputs, outputs = model.input_names, model.output_names
    sizes = tuple(_varying(symbol.shape) for symbol in model.inputs)
    with _quiet():
        try:
            torch.onnx.export(
                net, tuple(_batch(model, ROWS[0])), str(place), input_names=inputs, output_names=outputs,
                dynamic_shapes=(sizes,), external_data=False, verbose=False, dynamo=True,
            )  # fmt: skip
        except Exception as error:
            raise HandsonError(f"PyTorch cannot write this net as ONNX: {shortened(error, 400)}") from error
    for rows in ROWS[::-1]:
        _compare(net, _batch(model, rows), place, path)


def _varying(shape: Sequence[int | None]) -> dict[int, Any]:
    """The sizes of an input that may differ from call to call; the first is that of the batch."""
    return {axis: torch.export.Dim.DYNAMIC for axis, size in enumerate(shape) if size is None or axis == 0}


def _batch(model: Any, rows: int) -> list[Tensor]:
    """Inputs of a number of rows; ids are 0 and 1."""
    rng, found = np.random.default_rng(rows), []
    for symbol, ids in zip(model.inputs, model.integer_inputs(len(model.inputs)), strict=True):
        shape = (rows, *(SIZE if size is None else size for size in symbol.shape[1:]))
        array = rng.integers(0, 2, shape) if ids else rng.normal(size=shape)
        found.append(torch.tensor(array).to(torch.int64 if ids else symbol.dtype).to(model.device))
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """While this lasts, the exporter's steps are not told: what counts is what the file gives."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@torch.no_grad()
def _compare(net: Predicting, batch: list[Tensor], place: Path, path: Path) -> None:
    """Raise unless a file gives the outputs of a net."""
    runtime: Any = importlib.import_module("onnxruntime")
    expected = [leaf.cpu().numpy() for leaf in net(*batch)]
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # errors are raised
    try:
        session = runtime.InferenceSession(str(place), options)
        names = [entry.name for entry in session.get_inputs()]
        found = session.run(None, {name: leaf.cpu().numpy() for name, leaf in zip(names, batch, strict=True)})
    except Exception as error:
        raise HandsonError(
            f"{path} is not written: the net as ONNX does not run on {len(batch[0])} rows: {shortened(error, 300)}"
        ) from error
    for name, one, two in zip(net.model.output_names, found, expected, strict=True):
        if one.shape != two.shape or not np.allclose(one, two, CLOSE, CLOSE, equal_nan=True):
            raise HandsonError(
                f"{path} is not written: on {len(batch[0])} rows the net as ONNX gives another output {name!r} than "
                f"the net itself. Layers of your own must not depend on values or on the number of rows."
            )
