"""history.json with anything in it is read and drawn, or refused with an error that names it."""

import json

import pytest

from handson.core.errors import HandsonError
from handson.files import strict_json
from handson.files.stored_history import StoredHistory
from handson.state.history import History

GOOD = {
    "history": {"loss": [1.0, 2.0], "val_loss": [1.0, None]},
    "epoch": [0, 1], "params": {}, "seed": 1, "notes": [], "seconds": 1.0,
}  # fmt: skip
DRAWN = [
    {"history": {}}, {"history": {"a": [1.0, 2.0]}}, {"history": {"$\\x{": [1, 2]}},
    {"history": {"$\\x{$": [1, 2]}}, {"history": {"\x1b[31m": [1, 2]}},
    {"history": {"loss": [1e308, -1e308], "val_loss": [1e308, 1e-308]}}, {"history": {"val_loss": [None, None]}},
    {"history": {"": [1, 2]}}, {"history": {}, "epoch": []}, {"epoch": [0, 0]}, {"epoch": [7, 3]}, {"seconds": -1},
]  # fmt: skip
REFUSED = [
    {"history": {"loss": [10**400, 1]}}, {"history": {"loss": [1.0]}}, {"history": [1]}, {"epoch": [10**400, 1]},
    {"epoch": [10**18, 1]}, {"epoch": [-5, 3]}, {"epoch": 1}, {"seed": 1.5}, {"notes": {}}, {"params": None},
    {"seconds": None}, {"seconds": 10**400},
]  # fmt: skip


def read(path, changed):
    path.write_text(json.dumps(GOOD | changed))
    return History().take(strict_json.read(path, StoredHistory).model_dump())


@pytest.mark.parametrize("changed", DRAWN, ids=str)
def test_what_is_odd_is_drawn(tmp_path, changed):
    history = read(tmp_path / "history.json", changed)
    history.plot(tmp_path / "curves.png")
    assert repr(history).startswith(f"History({len(history.epoch)} epochs")


@pytest.mark.parametrize("changed", REFUSED, ids=lambda value: str(value)[:30])
def test_what_is_none_is_refused_by_name(tmp_path, changed):
    with pytest.raises(HandsonError, match=r"history\.json is damaged: "):
        read(tmp_path / "history.json", changed)
