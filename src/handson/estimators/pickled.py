"""Pickles of estimators: plain data in files, everything on the way to another process of the same program."""

from __future__ import annotations

import copy
import tempfile
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from joblib.externals.loky.backend.reduction import register

from handson.core.errors import HandsonError
from handson.estimators import plain
from handson.estimators.targets import Classes, Values
from handson.files import model_file
from handson.models import Model
from handson.state.history import History

_known: dict[str, type] = {}


class Pickled:
    """An estimator whose pickle loads without code of the user's.

    A pickle holds arguments, weights and what is known after training, as plain data: loading one imports and runs
    nothing that is not handson's. What a worker process is sent, by joblib or multiprocessing, is whole: functions and
    layers of one's own go with it.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ForkingPickler.register(cls, _whole)
        register(cls, _whole)
        if _is_own(cls):
            _known[cls.__name__] = cls

    def __reduce__(self) -> Any:
        kind = type(self).__name__
        if not _is_own(type(self)):
            raise HandsonError(
                f"{kind} is a class of your own, and files hold no code: its pickle could not be loaded. Save the net, "
                f"estimator.model_.save(...), or use NeuralNetClassifier or NeuralNetRegressor as it is."
            )
        return restored, (kind, plain.encode(vars(self)))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return _remade(type(self), copy.deepcopy(vars(self), memo))


def _is_own(kind: type) -> bool:
    return kind.__module__.startswith("handson.")


def restored(kind: str, data: dict[str, Any]) -> Any:
    """The estimator of what a pickle holds."""
    if kind not in _known:
        raise HandsonError(f"the file holds a {kind!r}, which this version of handson does not know.")
    return _remade(_known[kind], plain.decode(data))


def _whole(estimator: Any) -> Any:
    return _remade, (type(estimator), vars(estimator))


def _remade(kind: type, values: dict[str, Any]) -> Any:
    found: Any = object.__new__(kind)
    vars(found).update(values)
    return found


def _written(value: Any) -> dict[str, Any] | None:
    if isinstance(value, Model) and value.built:
        return {plain.MARK: "model", "file": b"".join(model_file.pieces(value))}
    if isinstance(value, History):
        return {plain.MARK: "history", "values": value.to_json()}
    if isinstance(value, Classes):
        return {plain.MARK: "classes", "kind": value.kind, "known": plain.encode(value.known)}
    if isinstance(value, Values):
        return {plain.MARK: "values", "columns": value.columns}
    return None


def _read_model(data: dict[str, Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.handson")
        path.write_bytes(data["file"])
        return model_file.read(path)


plain.extend(
    _written,
    {
        "model": _read_model,
        "history": lambda data: History().take(data["values"]),
        "classes": lambda data: Classes(data["kind"], plain.decode(data["known"])),
        "values": lambda data: Values(data["columns"]),
    },
)
