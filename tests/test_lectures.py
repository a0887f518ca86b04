"""Every Python block of the three Keras lectures runs after changing its imports only, and prints what they print."""

import contextlib
import io
import re
import textwrap
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pytest

import handson
from handson.core.registry import snake_case
from handson.layers import Conv2D, Dense

LECTURES = ("000_689c2e539ad3830b.txt", "001_a2b11c60ea23e62f.txt", "003_aa42369aba3fa03a.txt")

# The lectures leave out arguments with '...'; these stand for them.
LEFT_OUT = {
    "Conv2D(...,": "Conv2D(2, (3, 3),",
    "Conv2D(...)": "Conv2D(2, (3, 3), input_shape=(9, 9, 1))",
    "compile(...,": "compile('adam', 'binary_crossentropy',",
}

ROW = re.compile(r"^(\w+) \((\w+)\)\s+(\([^)]*\))(?:\s+(\d+))?", re.MULTILINE)
TOTAL = re.compile(r"^(Total|Trainable|Non-trainable) params: (\d+)", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of a lecture."""

    language: str
    text: str


def blocks(path):
    found, opened = [], None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip().startswith("```"):
            if opened is None:
                opened = (line.strip().removeprefix("```").strip(), [])
            else:
                found.append(Block(opened[0], textwrap.dedent("\n".join(opened[1])) + "\n"))
                opened = None
        elif opened is not None:
            opened[1].append(line)
    return found


def with_our_imports(code):
    """A block with keras replaced in its imports; marks of the slides are not part of the code."""
    code = re.sub(r"^\*(?=\w)", "", code, flags=re.MULTILINE)
    code = re.sub(r"^\*", " ", code, flags=re.MULTILINE)
    code = code.replace("from keras", "from handson").replace("import tensorflow as tf", "import handson")
    code = code.replace("tf.keras", "handson")
    for left_out, stands_for in LEFT_OUT.items():
        code = code.replace(left_out, stands_for)
    return code


def surroundings():
    """What the slides take for granted: data, and a net that is compiled where a block only fits it."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)).astype("float32"), rng.integers(0, 2, 60).astype("float32")
    model = handson.Sequential([Dense(4, input_dim=3, activation="relu"), Dense(1, activation="sigmoid")], seed=0)
    model.compile("adam", "mse")
    return {"X_train": x[:40], "y_train": y[:40], "X_val": x[40:], "y_val": y[40:], "model": model}


def renumbered(table):
    """A summary of the slides with the names of today's Keras, which calls the first layer of a kind dense."""
    seen = {}

    def rename(found):
        name, kind = found.group(1), found.group(2)
        stem = snake_case(kind)
        if re.fullmatch(rf"{stem}(_\d+)?", name):
            seen[stem] = seen.get(stem, -1) + 1
            name = f"{stem}_{seen[stem]}" if seen[stem] else stem
        return f"{name} ({kind})".ljust(len(found.group(0)))

    return re.sub(r"^(\w+) \((\w+)\) *", rename, table, flags=re.MULTILINE)


def run_all(lecture):
    """Run the blocks of a lecture one after another; what the last of them printed, before each other block."""
    names, printed, pairs = {"Sequential": handson.Sequential, "Conv2D": Conv2D}, "", []
    for block in blocks(lecture):
        if block.language == "python":
            if "fit" in block.text or not ("model = " in block.text or "summary" in block.text):
                names |= surroundings()
            names.setdefault("X_train", None)
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(with_our_imports(block.text), str(lecture), "exec"), names)
            printed = out.getvalue()
        elif "Layer (type)" in block.text:
            pairs.append((block.text, printed))
    plt.close("all")
    return pairs


@pytest.mark.parametrize("lecture", LECTURES)
def test_every_block_runs(lecture, shared, tmp_path, monkeypatch):
    path = shared("lectures", lecture)
    monkeypatch.chdir(tmp_path)
    assert len([block for block in blocks(path) if block.language == "python"]) >= 4
    run_all(path)


@pytest.mark.parametrize("lecture", LECTURES[1:])
def test_summaries_are_those_of_the_slides(lecture, shared, tmp_path, monkeypatch):
    path = shared("lectures", lecture)
    monkeypatch.chdir(tmp_path)
    pairs = run_all(path)
    assert len(pairs) >= 3
    for expected, printed in pairs:
        ours = ROW.findall(printed)
        for row, (name, kind, shape, parameters) in enumerate(ROW.findall(renumbered(expected))):
            assert (name, kind, shape) == ours[row][:3]
            assert parameters in ("", ours[row][3])
        totals = TOTAL.findall(expected)
        assert totals in ([], TOTAL.findall(printed))


def test_the_first_summary_is_the_slide_letter_for_letter(shared, tmp_path, monkeypatch):
    path = shared("lectures", LECTURES[1])
    monkeypatch.chdir(tmp_path)
    expected, printed = run_all(path)[0]
    assert [line.rstrip() for line in printed.splitlines()] == [
        line.rstrip() for line in renumbered(expected).splitlines()
    ]


def test_the_checkpoint_of_the_slides_can_be_loaded(shared, tmp_path, monkeypatch):
    """ModelCheckpoint('weights.h5', save_best_only=True) without validation data watches the training loss."""
    path = shared("lectures", LECTURES[2])
    monkeypatch.chdir(tmp_path)
    run_all(path)
    net = surroundings()["model"]
    before = net.get_weights()
    assert net.load_weights("weights.h5") == {}
    assert any((old != new).any() for old, new in zip(before, net.get_weights(), strict=True))
