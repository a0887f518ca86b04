"""The benchmark beside other libraries runs with what is installed, and reports what it cannot measure."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROW = r"^\| {} \| \*\*[\d.,]+ [µm]?s\*\* \| .* MiB \| [\d.]+ \|$"


@pytest.fixture
def peers(monkeypatch):
    """The package of the benchmark."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.peers import jobs, measure, peers, report

    return jobs, measure, peers, report


@pytest.mark.slow
def test_one_command_writes_a_row_for_each_peer_and_a_picture(tmp_path):
    chosen = ["--peers", "handson", "pytorch", "--jobs", "dense", "--rounds", "2", "--scale", "0.01"]
    command = [sys.executable, "-m", "benchmarks.peers", *chosen, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    (page,), (picture,) = tmp_path.glob("*.md"), tmp_path.glob("*.png")
    text = page.read_text(encoding="utf-8")
    assert f"({picture.name})" in text
    assert "say nothing about speed" in text
    for label in ("handson", "plain PyTorch"):
        assert re.search(ROW.format(label), text, re.MULTILINE), text


def test_a_peer_that_is_missing_or_fails_is_reported(peers, tmp_path):
    jobs, measure, peers, report = peers
    absent = peers.Peer("absent", "somebody", "absent", ("no_such_package",))
    broken = peers.Peer("broken", "nobody", "broken", ())
    job = jobs.JOBS["dense"].scaled(0.01)
    results = measure.measure(job, [absent, broken], measure.Settings(2, 0.01, 1, tmp_path))
    assert [result.error for result in results] == [
        "not installed: no_such_package",
        "failed: ended with status 1: KeyError: 'broken'",
    ]
    assert [row.count("|") for row in report.table(job, results)] == [10] * 4


def test_ratios_are_of_the_rounds_of_one_turn(peers):
    _, measure, peers, report = peers
    slow, fast = (measure.Result(peers.PEERS[name], rounds=rounds, imports=[1.0]) for name, rounds in
                  [("pytorch", [2.0, 40.0, 6.0]), ("handson", [1.0, 10.0, 3.0])])  # fmt: skip
    assert report.ratio(slow, fast) == 2.0
    assert report.fastest_peer([slow, fast]) is slow
    assert report.ours([slow, fast]) is fast


def test_durations_have_three_digits_and_a_unit(peers):
    *_, report = peers
    written = [report.duration(seconds) for seconds in (2.9e-7, 52.7e-6, 0.33, 1.0, 1234.0)]
    assert written == ["0.290 µs", "52.7 µs", "330 ms", "1.00 s", "1,234 s"]


def test_the_operations_of_the_lectures_net_are_those_that_torch_counts(peers):
    """A step's products, counted by torch's own counter on the net of the benchmark."""
    import torch
    from benchmarks.peers.workers import torch_nets
    from torch.utils.flop_counter import FlopCounterMode

    jobs, *_ = peers
    net, images = torch_nets.make(jobs.JOBS["lecture"], 0), torch.zeros(2, 1, 96, 96)
    with FlopCounterMode(display=False) as counter:
        net(images).sum().backward()
    assert counter.get_total_flops() == jobs.lecture_operations(2)


@pytest.mark.parametrize("name", ["lecture", "dense", "lstm", "digits", "transformer", "text"])
def test_the_nets_of_both_vocabularies_are_the_same(peers, name):
    """As many weights in handson's net as in torch's; an LSTM of torch has its bias twice."""
    jobs, *_ = peers
    from benchmarks.peers.workers import handson as ours
    from benchmarks.peers.workers import torch_nets

    job = jobs.JOBS[name]
    theirs = sum(w.numel() for key, w in torch_nets.make(job, 0).named_parameters() if "lstm.bias_hh" not in key)
    assert sum(w.numel() for w in ours.Driver(job, "handson").net(0).parameters()) == theirs


def test_a_later_run_keeps_the_jobs_that_it_does_not_measure(peers, tmp_path):
    jobs, measure, peers, _ = peers
    from benchmarks.peers import records

    def record(name, day):
        result = measure.Result(peers.PEERS["pytorch"], 2.0, [1.0, 1.5], [0.5], 100.0, 0.1, {"torch": "2"})
        return records.Record(jobs.JOBS[name], day, 2, 1.0, [result])

    first, second, again = record("lstm", "1 May"), record("dense", "2 May"), record("lstm", "3 May")
    path = tmp_path / "machine.json"
    assert records.read(path) == []
    records.write(records.merged(records.merged([], first), second), path)
    assert records.read(path) == [second, first]
    assert records.merged(records.read(path), again) == [second, again]


def test_a_record_of_a_job_with_other_sizes_is_left_out(peers, tmp_path, monkeypatch):
    jobs, *_ = peers
    from benchmarks.peers import records

    records.write([records.Record(jobs.JOBS["dense"], "1 May", 2, 1.0, [])], tmp_path / "machine.json")
    monkeypatch.setitem(jobs.JOBS, "dense", jobs.JOBS["dense"].scaled(2))
    assert records.read(tmp_path / "machine.json") == []
