"""`handson plot`: every picture of every kind of run, and what cannot be drawn."""

import shutil

import pytest
from command_line import call

from handson.workflow.pictures import PICTURES

OF_FACES = {"predictions", "worst", "residuals"}
OF_CLASSES = {"confusion", "calibration"}
INSIDE = {"activations", "gradients", "updates"}


def drawn(folder):
    return {path.stem for path in folder.glob("*.png")}


def test_everything_that_a_run_can_be_drawn_is_drawn(work):
    for name, kinds in (("tiny", OF_FACES), ("kinds", OF_CLASSES)):
        (work / name).mkdir()
        result = call(work, "plot", name, "--what", "all", "--out", name)
        assert result.code == 0, result.err
        everywhere = set(PICTURES) - OF_FACES - OF_CLASSES - INSIDE - {"grad_cam"}
        assert drawn(work / name) >= everywhere | kinds
        assert not drawn(work / name) & INSIDE
        assert result.out.count(".png") == len(drawn(work / name))


def test_a_monitored_run_has_pictures_of_what_happened_inside(work):
    assert call(work, "fit", "kinds.yaml", "--monitor", "--name", "inside").code == 0
    result = call(work, "plot", "inside", "--what", "gradients, updates")
    assert result.code == 0, result.err
    assert drawn(work / "runs" / "inside") >= {"gradients", "updates"}


def test_several_runs_are_one_picture(work):
    result = call(work, "plot", "tiny", "kinds")
    assert result.code == 0, result.err
    assert (work / "runs" / "curves.png").is_file()
    assert call(work, "plot", "tiny", "kinds", "--what", "weights").code == 2
    assert call(work, "plot", "tiny", "kinds", "--out", "a.png").code == 0
    assert (work / "a.png").is_file()


def test_runs_of_one_name_in_two_folders_are_both_drawn(work, monkeypatch):
    from handson import plots
    from handson.workflow.pictures import draw_runs
    from handson.workflow.runs import Run

    monkeypatch.chdir(work)
    shutil.copytree("runs/tiny", "others/tiny")
    drawn = {}
    monkeypatch.setattr(plots, "plot_runs", lambda histories, path: drawn.update(histories))
    draw_runs([Run("runs/tiny"), Run("others/tiny")], work / "two.png")
    assert list(drawn) == ["runs/tiny", "others/tiny"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["kinds", "--what", "gradient"], "Did you mean 'gradients'"),
        (["kinds", "--what", "gradients"], "handson fit --monitor"),
        (["kinds", "--what", "grad_cam"], "needs images"),
        (["kinds", "--what", "residuals"], "needs targets that are values"),
        (["tiny", "--what", "confusion"], "needs targets that are classes"),
        (["nowhere"], "there is no run"),
        (["kinds", "--out", "nowhere"], "folder is not there"),
    ],
)
def test_what_cannot_be_drawn_is_said(work, arguments, said):
    result = call(work, "plot", *arguments)
    assert result.code == 2
    assert said in " ".join(result.err.split())
