"""Counts the tests that compare with Keras, and writes the numbers into docs/keras.md.

`PYTHONPATH=src python tests/helpers/parity_count.py` collects the tests, without running them, and writes the line.
"""

import os
import re
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS.parent))  # as `python -m pytest` does there
PAGE = TESTS.parent / "docs" / "keras.md"
LINE = re.compile(r"^\*\*(\d+) cases\*\* compare .*$", re.MULTILINE)
# What a test is about, by the folder or file that it is in.
KINDS = {
    "parity": "layers", "layers": "layers", "ops": "operations", "metrics": "metrics", "files": "files",
    "mirror": "older functions", "test_optimizers": "optimizers",
    "test_optimizer_steps": "optimizers", "optimizers": "optimizers", "test_losses": "losses",
    "applications": "nets of applications", "test_nouns": "random losses and small nouns", "test_walk": "names",
}  # fmt: skip


def compares(item):
    """Whether a test has Keras at hand."""
    return "keras" in getattr(item, "fixturenames", ()) or hasattr(getattr(item, "module", None), "keras")


def counted(items):
    """How many cases there are of each kind; random examples of one test count once."""
    found = Counter()
    for item in filter(compares, items):
        place = Path(item.path).relative_to(TESTS).with_suffix("")
        found[KINDS.get(place.name) or KINDS.get(place.parts[0], "the rest")] += 1
    return found


def line(found):
    """The line of the page."""
    kinds = ", ".join(f"{count} of {kind}" for kind, count in sorted(found.items(), key=lambda one: -one[1]))
    return f"**{sum(found.values())} cases** compare with Keras itself in every run of the tests: {kinds}."


class Collected:
    """What pytest has collected."""

    def __init__(self):
        self.items = []

    def pytest_collection_modifyitems(self, items):
        self.items = list(items)


def main():
    import pytest

    collected = Collected()
    status = pytest.main(["--collect-only", "-q", "-q", "--no-header", str(TESTS)], [collected])
    if status:
        return status
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(LINE.sub(line(counted(collected.items)), text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
