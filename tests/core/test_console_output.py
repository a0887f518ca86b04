"""Output never ends the work it is about: full disks, readers that went away, closed outputs, narrow encodings."""

import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from handson.core import console

EXPERIMENT = """
name: table
data: {path: table.csv, targets: y}
model: [{Dense: {units: 1}}]
compile: {optimizer: adam}
fit: {epochs: 3}
"""
SCRIPT = """
import numpy as np
from handson import Sequential
from handson.layers import Dense
net = Sequential([Dense(1)])
net.compile("adam", "mse")
history = net.fit(np.ones((40, 2)), np.ones(40), epochs=3, verbose=2, validation_split=0.2)
open("done", "w").write(str(history.epoch))
"""


@pytest.fixture
def work(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x.sum(1)}).to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "table.yaml").write_text(EXPERIMENT)
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


WAYS = {"a full disk": ">/dev/full", "closed": ">&-", "all closed": "<&- >&- 2>&-", "errors closed": ">/dev/full 2>&-"}


def shell(folder, command):
    return subprocess.run(["bash", "-c", command], cwd=folder, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_command_ends_whatever_becomes_of_its_output(work, way):
    found = shell(work, f"{sys.executable} -m handson fit table.yaml {way}")
    assert (found.returncode, found.stderr) == (0, "")
    assert (work / "runs" / "table" / "net.handson").is_file()


def test_a_command_that_only_prints_ends_without_any_output(work):
    assert shell(work, f"{sys.executable} -m handson explore table.csv {WAYS['errors closed']}").returncode == 0


def test_a_reader_that_went_away_ends_nothing(work):
    command = f"{sys.executable} -m handson fit table.yaml | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    found = shell(work, command)
    assert (found.returncode, found.stderr) == (0, "")
    assert (work / "runs" / "table" / "report.json").is_file()


@pytest.mark.parametrize("way", [">/dev/full", ">&-", "| true"])
def test_a_script_trains_to_its_end(work, way):
    found = shell(work, f"set -o pipefail; {sys.executable} script.py {way}")
    assert (found.returncode, found.stderr) == (0, "")
    assert (work / "done").read_text() == "[0, 1, 2]"


class Broken(io.StringIO):
    """Fails at whatever is done with it."""

    def write(self, text):
        raise OSError(28, "No space left on device")

    def flush(self):
        raise BrokenPipeError

    def isatty(self):
        raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize("stream", [None, Broken(), io.StringIO()])
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_an_output_that_fails_loses_lines_and_nothing_else(monkeypatch, stream, name):
    if isinstance(stream, io.StringIO) and not isinstance(stream, Broken):
        stream.close()
    monkeypatch.setattr(sys, name, stream)
    console.say("lost") if name == "stdout" else console.warn("lost")
    assert console.is_terminal() is False or name == "stderr"


def test_a_narrow_encoding_shows_what_it_cannot_as_codes(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    monkeypatch.setattr(sys, "stdout", narrow)
    console.say("größe")
    assert narrow.buffer.getvalue() == b"gr\\xf6\\xdfe\n"


class Filling(io.StringIO):
    """A disk that is full, and then is not."""

    full = True

    def write(self, text):
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_lines_are_written_again_once_there_is_room(monkeypatch):
    disk = Filling()
    monkeypatch.setattr(sys, "stdout", disk)
    console.say("lost")
    disk.full = False
    console.say("shown")
    assert disk.getvalue() == "shown\n"
