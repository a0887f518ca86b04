"""Every start of a run is written down, and what has changed since the last one is told."""

import json

import pytest
import torch
from interrupted import train

from handson.files import atomic
from handson.training.recording import environment
from handson.training.recording.interruption import Stopped

CPU = torch.device("cpu")


def starts(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_start_says_what_it_ran_on():
    found = environment.environment(CPU)
    assert set(environment.DECISIVE) < set(found)
    assert found["torch"] == torch.__version__
    assert found["device"] == "cpu"
    assert json.loads(json.dumps(found)) == found


def test_every_start_is_a_line(tmp_path):
    path = tmp_path / "starts.jsonl"
    assert environment.append(path, CPU) == []
    assert environment.append(path, CPU) == []
    assert len(starts(path)) == 2


@pytest.mark.parametrize("key", environment.DECISIVE)
def test_what_has_changed_is_named(tmp_path, key):
    path = tmp_path / "starts.jsonl"
    environment.append(path, CPU)
    (before,) = starts(path)
    path.write_text(json.dumps(before | {key: "another"}) + "\n")
    assert environment.append(path, CPU) == [f"{key} was 'another', is {before[key]!r}"]


@pytest.mark.parametrize("torn", [b'{"torch": "1', b"\xff\xfe", b'{"torch": "1"\n[]\n{"a', b"\n\n"])
def test_a_line_that_a_crash_cut_off_does_not_spoil_the_next(tmp_path, torn):
    path = tmp_path / "starts.jsonl"
    environment.append(path, CPU)
    path.write_bytes(path.read_bytes() + torn)
    assert environment.append(path, CPU) == []
    assert json.loads(path.read_bytes().splitlines()[-1])["torch"] == torch.__version__
    assert environment.append(path, CPU) == []


def test_outside_of_a_repository_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert environment.environment(CPU)["git"] is None
    monkeypatch.setenv("PATH", "")
    assert environment.environment(CPU)["git"] is None


def test_a_resumed_run_tells_what_has_changed(tmp_path, capsys, monkeypatch):
    with pytest.raises(Stopped):
        train(tmp_path / "run", [(1, 2)])
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    train(tmp_path / "run")
    told = capsys.readouterr().out
    assert "the last digits may differ from those of an undisturbed run: threads was 1, is 64." in told
    train(tmp_path / "run")
    assert capsys.readouterr().out == ""


def test_a_list_of_starts_that_cannot_be_written_stops_nothing(tmp_path, capsys, monkeypatch):
    def full(path, piece):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.disk, "append", full)
    assert train(tmp_path / "run")[2].epoch == [0, 1, 2]
    assert "starts.jsonl: No space left on device" in capsys.readouterr().out
