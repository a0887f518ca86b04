"""The journal: what is read of whole, torn and foreign lines."""

import json

import numpy as np
import pytest

from handson import HandsonError
from handson.monitoring import Journal, LayerLook, Look


def look(step, **layer):
    return Look(step=step, layers={"dense": LayerLook(kind="Dense", **layer)})


def written(path, *looks):
    for each in looks:
        each.append_to(path)
    return path


def test_what_is_written_is_read(tmp_path):
    looks = [look(0, mean=0.5, weight=2.0, update=0.01, size=4), look(3, mean=float("nan"))]
    written(tmp_path / Journal.file, *looks)
    for place in (tmp_path, tmp_path / Journal.file):
        journal = Journal.read(place)
        assert journal.steps.tolist() == [0, 3]
        assert journal.looks[0] == looks[0]
        assert journal.looks[1].layers["dense"].mean is None


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_a_crash_cut_off_is_left_out_and_those_after_it_are_read(tmp_path, cut):
    path = written(tmp_path / "a.jsonl", look(0), look(1))
    path.write_bytes(path.read_bytes()[:-cut])
    whole = 2 if cut == 1 else 1
    assert len(Journal.read(path)) == whole
    written(path, look(5))
    assert Journal.read(path).steps.tolist() == [*range(whole), 5]


def test_a_training_that_went_back_replaces_what_came_later(tmp_path):
    path = written(tmp_path / "a.jsonl", *(look(step, mean=1.0) for step in (0, 4, 8)), look(3, mean=2.0), look(4))
    journal = Journal.read(path)
    assert journal.steps.tolist() == [0, 3, 4]
    assert journal.series("dense", "mean")[1].tolist()[:2] == [1.0, 2.0]


@pytest.mark.parametrize(
    "line", ["", "{}", "[1]", "nonsense", '{"step": "a"}', '{"step": 1, "layers": [1]}', '{"step": NaN}']
)
def test_other_lines_are_left_out(tmp_path, line):
    path = written(tmp_path / "a.jsonl", look(0))
    path.write_text(path.read_text() + line + "\n")
    assert Journal.read(path).steps.tolist() == [0]


def test_fields_that_a_later_version_adds_are_ignored(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"step": 1, "new": 3, "layers": {"dense": {"kind": "Dense", "x": 1}}}))
    assert Journal.read(tmp_path / "a.jsonl").layers == ["dense"]


def test_series_are_numbers_by_step():
    journal = Journal([look(0, weight=2.0, update=1.0, gradient=6.0, size=9), look(2), look(5, weight=0.0, update=1.0)])
    steps, ratios = journal.series("dense", "ratio")
    np.testing.assert_array_equal(steps, [0, 2, 5])
    np.testing.assert_array_equal(ratios, [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(journal.series("dense", "gradient_rms")[1], [2.0, np.nan, np.nan])
    assert journal.measured("ratio") == ["dense"]
    assert journal.measured("saturated") == []


def test_misspelt_names_get_the_nearest():
    journal = Journal([look(0)])
    with pytest.raises(HandsonError, match="Did you mean 'dense'"):
        journal.series("dens", "mean")
    with pytest.raises(HandsonError, match="Did you mean 'gradient'"):
        journal.series("dense", "gradeint")


def test_a_run_without_a_journal_says_how_to_get_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="monitor=True"):
        Journal.read(tmp_path)


def test_a_journal_is_never_written_through_a_link(tmp_path):
    (tmp_path / "target").write_text("")
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match=r"a\.jsonl"):
        look(0).append_to(tmp_path / "a.jsonl")
