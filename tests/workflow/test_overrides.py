"""Overrides lead by a path to a value of an experiment, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.workflow.experiment import Experiment
from handson.workflow.tasks.overrides import full_path, overridden, values_of


@pytest.fixture
def experiment():
    return Experiment(
        name="stars",
        data={"path": "stars.csv"},
        model=[
            {"Dense": {"units": 4}},
            {"Dropout": {"rate": 0.1}},
            {"Dense": {"units": 2, "name": "last"}},
        ],
        compile={"optimizer": {"SGD": {"momentum": 0.9}}, "metrics": ["mae"]},
        fit={"epochs": 3, "callbacks": [{"EarlyStopping": {"patience": 2}}, "TerminateOnNaN"]},
    )


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("fit.epochs", 7, lambda e: e.fit.epochs),
        ("epochs", 7, lambda e: e.fit.epochs),
        ("batch_size", 8, lambda e: e.fit.batch_size),
        ("data.path", "other.csv", lambda e: e.data.path),
        ("split.validation", 0.5, lambda e: e.split.validation),
        ("optimizer", "RMSprop", lambda e: e.compile.optimizer),
        ("optimizer.learning_rate", 0.5, lambda e: e.compile.optimizer["SGD"]["learning_rate"]),
        ("model.0.units", 9, lambda e: e.model[0]["Dense"]["units"]),
        ("model.dense.units", 9, lambda e: e.model[0]["Dense"]["units"]),
        ("model.last.units", 9, lambda e: e.model[2]["Dense"]["units"]),
        ("model.dropout.rate", 0.5, lambda e: e.model[1]["Dropout"]["rate"]),
        ("model.1", "Flatten", lambda e: e.model[1]),
        ("callbacks.early_stopping.patience", 5, lambda e: e.fit.callbacks[0]["EarlyStopping"]["patience"]),
        ("augment.rotation", 10, lambda e: e.augment["rotation"]),
        ("name", "others", lambda e: e.name),
        ("specialists.groups", {"a": ["x"]}, lambda e: e.specialists.groups),
    ],
)
def test_a_path_leads_to_one_value_and_the_rest_stays(experiment, path, value, found):
    before = experiment.to_yaml()
    changed = overridden(experiment, {path: value})
    assert found(changed) == value
    assert experiment.to_yaml() == before
    kept = changed.model_dump()
    assert sum(kept[section] != experiment.model_dump()[section] for section in kept) == 1


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("fit.epoch", 3, "fit has no key 'epoch'. Did you mean 'epochs'?"),
        ("epoch", 3, "there is no 'epoch'. Did you mean 'epochs'"),
        ("fit", 3, "'fit' is a whole section"),
        ("fit.epochs.more", 3, "'epochs' is the value 3, which has no parts"),
        ("model.5.units", 3, "there are 3 entries, numbered from 0; got 5"),
        ("model.dens.units", 3, "there is no entry 'dens'. Did you mean 'dense'?"),
        ("model.dense.unit", 3, "unit"),
        ("fit.epochs", "many", "fit.epochs='many'"),
        ("optimizer.momentun", 3, "momentun"),
        ("optimizer", "Adamm", "unknown optimizer 'Adamm'. Did you mean 'adam'"),
        ("split.validation", 1.5, "split.validation"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_why(experiment, path, value, said):
    with pytest.raises(HandsonError) as error:
        overridden(experiment, {path: value})
    assert said in str(error.value)


def test_a_net_with_branches_keeps_its_other_keys():
    experiment = Experiment(
        model=[
            {"Input": {"shape": [3], "name": "x"}},
            {"Dense": {"units": 3}},
            {"Add": {}, "inputs": ["x", "dense"]},
        ]
    )
    changed = overridden(experiment, {"model.dense.activation": "relu"})
    assert changed.model[1] == {"Dense": {"units": 3, "activation": "relu"}}
    assert changed.model[2] == experiment.model[2]


def test_values_are_those_of_yaml():
    assert values_of("1, 2.5, 1e-3, true, no, relu, [1, 2], {SGD: {momentum: 0.9}}, null") == [
        1, 2.5, 0.001, True, "no", "relu", [1, 2], {"SGD": {"momentum": 0.9}}, None,
    ]  # fmt: skip
    with pytest.raises(HandsonError):
        values_of("[1, 2")


@given(st.sampled_from(["epochs", "fit.epochs", "optimizer", "compile.loss", "loss", "validation", "model.0"]))
def test_a_full_path_is_one(path):
    assert full_path(full_path(path)) == full_path(path)
