"""Arrows between files point downward and never in a circle.

Every import counts: at the top of a file, inside a function, and for types only.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"

# From the ground up; rooms on one floor may use each other, as long as no files do in a circle. A file belongs to the
# longest name that it begins with.
FLOORS = [
    ["core"],
    ["randomness"],
    ["kernels"],
    ["parallel"],
    ["graph"],
    ["ops"],
    ["random"],
    ["data.rows"],
    ["data.reading"],
    ["data.augment"],
    ["data"],
    [
        "activations",
        "averages",
        "constraints",
        "distributions",
        "initializers",
        "losses",
        "metrics",
        "optimizers",
        "regularizers",
        "schedules",
    ],
    ["state"],
    ["layers"],
    ["files"],
    ["attributions", "callbacks", "monitoring", "plots"],
    ["utils"],
    ["datasets"],
    ["training.preparation"],
    ["training.engines"],
    ["training.recording"],
    ["training"],
    ["models"],
    ["applications", "calibration", "ensembles"],
    ["estimators"],
    ["checks"],
    ["workflow"],
    ["keras"],
    ["theano"],
    ["lasagne"],
    ["nolearn"],
    ["cli", "faces"],
    ["", "__main__", "model"],
]
RANKS = {room: rank for rank, rooms in enumerate(FLOORS) for room in rooms}

EXCEPTIONS = {
    ("state.history", "plots"): "history.plot() is for the user's convenience, and matplotlib is loaded only then",
}


def modules() -> dict[str, Path]:
    """Every file by its name within the package; '' is the package itself."""
    found = {}
    for path in (SOURCE / "handson").rglob("*.py"):
        parts = path.relative_to(SOURCE / "handson").with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(node: ast.AST) -> list[tuple[str, str]]:
    """The (module, name) pairs that a statement imports, the name '' for a module itself."""
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports are not used here"
        return [(node.module or "", alias.name) for alias in node.names]
    return [(alias.name, "") for alias in node.names] if isinstance(node, ast.Import) else []


def targets(text: str, known: set[str]) -> set[str]:
    """The files of the package that a file uses."""
    pairs = [pair for node in ast.walk(ast.parse(text)) for pair in imported(node)]
    own = [(module, name) for module, name in pairs if module.partition(".")[0] == "handson"]
    names = [(module.removeprefix("handson").removeprefix("."), name) for module, name in own]
    return {inner if (inner := f"{module}.{name}".strip(".")) in known else module for module, name in names}


def arrows(files: dict[str, str]) -> set[tuple[str, str]]:
    """All (user, used) pairs among files given as texts by name."""
    return {(name, target) for name, text in files.items() for target in targets(text, set(files))}


def rank(name: str) -> int:
    """The floor of a file."""
    parts = name.split(".")
    rooms = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next(RANKS[room] for room in rooms if room in RANKS)


def upward(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(user, used) for user, used in found if rank(used) > rank(user)}


def circle(found: set[tuple[str, str]]) -> list[str] | None:
    """The files of a circle, None where there is none."""
    users = {user: {used for other, used in found if other == user} for user, _ in found}
    try:
        TopologicalSorter(users).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


@pytest.fixture(scope="module")
def found() -> set[tuple[str, str]]:
    return arrows({name: path.read_text() for name, path in modules().items()})


def test_no_arrow_points_upward(found):
    assert upward(found) - set(EXCEPTIONS) == set()


def test_no_files_import_each_other_in_a_circle(found):
    assert circle(found - set(EXCEPTIONS)) is None


def test_every_file_has_a_floor_and_no_room_is_empty():
    assert all(rank(name) < len(FLOORS) for name in modules())
    empty = {room for room in RANKS if room and not any(f"{name}.".startswith(f"{room}.") for name in modules())}
    assert empty == set()


def test_every_exception_is_still_needed(found):
    allowed = set(EXCEPTIONS)
    assert allowed - found == set()
    assert allowed - upward(found) == set()


@pytest.mark.parametrize(
    "line",
    [
        "from handson.models import Model",
        "from handson import models",
        "import handson.models",
        "def late():\n    from handson.models import Model",
        "if TYPE_CHECKING:\n    from handson.models import Model",
    ],
)
def test_an_arrow_upward_is_seen(line):
    assert upward(arrows({"models": "", "core.errors": line})) == {("core.errors", "models")}


def test_a_circle_is_seen():
    texts = {"core.a": "import handson.core.b", "core.b": "from handson.core import c", "core.c": ""}
    assert circle(arrows(texts)) is None
    assert set(circle(arrows(texts | {"core.c": "import handson.core.a"}))) == {"core.a", "core.b", "core.c"}
