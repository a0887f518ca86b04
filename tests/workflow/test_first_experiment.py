"""The experiment that is written for some data: it trains at once, and learns."""

import numpy as np
import pandas as pd
import pytest

from handson.core.errors import HandsonError
from handson.workflow.experiment import Experiment
from handson.workflow.first_experiment import first_experiment
from handson.workflow.runs import Run


@pytest.fixture
def houses(tmp_path):
    """A table with numbers, words, a quantity that follows from them, and a class."""
    rng = np.random.default_rng(0)
    area, town = rng.uniform(1, 5, 200), rng.choice(["Lyon", "Nice"], 200)
    table = pd.DataFrame({"area": area, "town": town, "price": area + 2 * (town == "Nice"), "kind": area > 3})
    table["kind"] = table["kind"].map({True: "large", False: "small"})
    table.to_csv(tmp_path / "houses.csv", index=False)
    return tmp_path / "houses.csv"


def trained(experiment, folder):
    run = Run.create(Experiment.from_yaml_text(experiment.to_yaml()), folder)
    run.fit(run.read_data(), verbose=0)
    return run.report().validation


def test_quantities_from_numbers_and_words(houses, tmp_path):
    experiment, data = first_experiment("houses", houses, {"targets": "price", "inputs": ["area", "town"]})
    assert (experiment.data.categories, len(data), data.task) == ("auto", 200, "regression")
    assert trained(experiment, tmp_path)["mae"] < 0.2  # of prices with a spread of 1.5


def test_classes(houses, tmp_path):
    experiment, _ = first_experiment("kinds", houses, {"targets": "kind", "inputs": ["area", "price"]})
    assert experiment.data.categories is None
    assert trained(experiment, tmp_path)["accuracy"] > 0.9


def test_images(rng, tmp_path):
    labels = np.arange(60) % 2
    images = rng.integers(0, 100, (60, 8, 8), dtype=np.uint8) + (labels * 100).astype(np.uint8)[:, None, None]
    np.savez(tmp_path / "images.npz", images=images, labels=labels)
    reading = {"targets": "labels", "inputs": "images", "classes": "auto"}
    experiment, _ = first_experiment("images", tmp_path / "images.npz", reading)
    experiment.fit.epochs = 10
    assert experiment.compile.scale_inputs == [0, 255]
    assert trained(experiment, tmp_path)["accuracy"] == 1


@pytest.mark.parametrize(
    ("reading", "message"),
    [({}, "say what is to be predicted, --targets NAME"), ({"targets": "prize"}, "Did you mean 'price'")],
)
def test_what_is_missing_is_said(houses, reading, message):
    with pytest.raises(HandsonError, match=message):
        first_experiment("houses", houses, reading)


def test_a_name_that_can_be_no_folder_is_refused(houses):
    with pytest.raises(HandsonError, match="a name becomes a folder"):
        first_experiment("my houses", houses, {"targets": "price"})
