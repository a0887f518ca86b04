"""Ensembles: how members are made, what they predict together, and how they are saved."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from handson import Ensemble, Model, Sequential, deep_ensemble, set_random_seed
from handson.core.errors import HandsonError
from handson.ensembles.building import build_net
from handson.layers import Activation, Dense, Dropout
from handson.optimizers import Adam


def data(rows=50, outputs=1):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    return x, np.sin(x @ rng.normal(size=(3, outputs))).astype(np.float32)


def net_of(seed=None, outputs=1, loss="mse", metrics=("mae", "rmse"), activation=None, input_dim=3, **compiled):
    net = Sequential(
        [Dense(6, activation="tanh", input_dim=input_dim), Dense(outputs, activation=activation)], seed=seed
    )
    net.compile(Adam(0.01), loss, metrics=list(metrics), **compiled)
    return net


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


# Predictions


@settings(deadline=None, max_examples=20)
@given(members=st.integers(1, 6), outputs=st.integers(1, 3), rows=st.integers(1, 40))
def test_mean_and_spread_are_those_of_numpy(members, outputs, rows):
    x, _ = data(rows)
    ensemble = Ensemble(net_of(seed, outputs) for seed in range(members))
    each = np.stack([net.predict(x) for net in ensemble.members]).astype(np.float64)
    mean, spread = ensemble.predict(x, spread=True)
    np.testing.assert_allclose(mean, np.mean(each, 0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(spread, np.std(each, 0), rtol=1e-6, atol=1e-7)
    assert np.array_equal(ensemble.predict(x), mean)
    assert mean.dtype == spread.dtype == np.float32


def test_evaluation_measures_the_mean_prediction():
    x, y = data(80)
    ensemble = Ensemble(net_of(seed, scale_targets=(1.0, 4.0)) for seed in range(3)).fit(x, y, epochs=2, verbose=0)
    measured = ensemble.evaluate(x, y, return_dict=True)
    mean = ensemble.predict(x)
    assert measured["mae"] == pytest.approx(metrics.mean_absolute_error(y, mean), rel=1e-5)
    assert measured["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, mean), rel=1e-5)
    assert measured["loss"] == pytest.approx(metrics.mean_squared_error(y, mean) / 16, rel=1e-5)  # scaled by 4
    assert ensemble.evaluate(x, y) == list(measured.values())


def test_evaluation_of_probabilities_and_weights():
    x, _ = data(60)
    labels = np.arange(60) % 3
    loss = "sparse_categorical_crossentropy"
    ensemble = Ensemble(net_of(seed, 3, loss, ["accuracy"], "softmax") for seed in range(4))
    ensemble.fit(x, labels, epochs=2, verbose=0)
    mean = ensemble.predict(x)
    np.testing.assert_allclose(mean.sum(1), 1, rtol=1e-5)
    measured = ensemble.evaluate(x, labels, return_dict=True)
    assert measured["accuracy"] == pytest.approx(metrics.accuracy_score(labels, mean.argmax(1)))
    assert measured["loss"] == pytest.approx(metrics.log_loss(labels, mean), rel=1e-5)
    weights = np.linspace(0, 2, 60)
    weighted = ensemble.evaluate(x, labels, sample_weight=weights, return_dict=True)["loss"]
    own = -np.log(mean[np.arange(60), labels])
    assert weighted == pytest.approx((weights * own).sum() / 60, rel=1e-5)


def test_one_member_is_the_net():
    x, y = data()
    net = net_of(3)
    ensemble = Ensemble([net]).fit(x, y, epochs=2, verbose=0)
    assert np.array_equal(ensemble.predict(x), net.predict(x))
    assert ensemble.evaluate(x, y) == pytest.approx(net.evaluate(x, y), rel=1e-6)
    assert not ensemble.predict(x, spread=True)[1].any()


def test_missing_targets_are_masked_in_evaluation():
    x, y = data(40, 2)
    y[::3, 1] = np.nan
    ensemble = Ensemble(net_of(seed, 2, metrics=["mae"]) for seed in range(2)).fit(x, y, epochs=1, verbose=0)
    expected = np.nanmean(np.abs(ensemble.predict(x) - y))
    assert ensemble.evaluate(x, y, return_dict=True)["mae"] == pytest.approx(expected, rel=1e-5)


def test_tables_and_lists_are_taken():
    x, y = data()
    table = pd.DataFrame(x, columns=["a", "b", "c"])
    from_table = deep_ensemble(net_of, table, pd.Series(y[:, 0], name="height"), 2, seed=0, epochs=1, verbose=0)
    from_lists = deep_ensemble(net_of, x.tolist(), y.tolist(), 2, seed=0, epochs=1, verbose=0)
    assert same(from_table.members[1], from_lists.members[1])
    assert from_table.members[1].target_names == ["height"]
    assert np.array_equal(from_table.predict(table), from_lists.predict(torch.from_numpy(x)))
    table.iloc[3, 1] = np.nan
    with pytest.raises(HandsonError, match="row 3, column 'b'"):
        deep_ensemble(net_of, table, y, 2, epochs=1, verbose=0)


# How members are made


def test_a_net_is_copied_with_other_seeds():
    x, y = data()
    net = net_of(seed=11, scale_inputs="standard")
    net.fit(x, y, epochs=3, verbose=0)
    before = net.get_weights()
    ensemble = deep_ensemble(net, x, y, members=3, seed=11, epochs=2, verbose=0)
    assert [member.seed for member in ensemble.members] == [11, 12, 13]
    for seed, member in zip((11, 12, 13), ensemble.members, strict=True):
        alone = net_of(seed=seed, scale_inputs="standard")
        alone.fit(x, y, epochs=2, verbose=0)
        assert same(member, alone)
    assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights(), strict=True))


@pytest.mark.parametrize("input_dim", [None, 3], ids=["built by data", "built at once"])
def test_a_function_needs_no_argument_for_the_seed(input_dim):
    x, y = data()
    without = deep_ensemble(lambda: net_of(input_dim=input_dim), x, y, 2, seed=5, epochs=1, verbose=0)
    with_it = deep_ensemble(lambda seed: net_of(seed, input_dim=input_dim), x, y, 2, seed=5, epochs=1, verbose=0)
    fixed = deep_ensemble(lambda: net_of(0, input_dim=input_dim), x, y, 2, seed=5, epochs=1, verbose=0)
    for first, second, third in zip(without.members, with_it.members, fixed.members, strict=True):
        assert same(first, second)
        assert same(first, third)


def test_weights_of_torch_modules_follow_the_seed_too():
    def build():
        net = Model(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1)))
        net.compile("adam", "mse")
        return net

    x, y = data()
    state = torch.get_rng_state()
    first, second = (deep_ensemble(build, x, y, 2, seed=3, epochs=2, verbose=0).members for _ in range(2))
    assert same(first[0], second[0])
    assert same(first[1], second[1])
    assert not same(first[0], first[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_without_a_seed_they_follow_set_random_seed():
    x, y = data()

    def seeds():
        set_random_seed(8)
        return [net.seed for net in deep_ensemble(net_of, x, y, 2, epochs=1, verbose=0).members]

    first = seeds()
    assert first == seeds()
    assert first[1] == first[0] + 1


def test_layers_with_a_seed_of_their_own_keep_it():
    def build():
        net = Sequential([Dense(6, input_dim=3), Dropout(0.5, seed=3), Dense(1)])
        net.compile("adam", "mse")
        return net

    assert [layer.seed for layer in build_net(build(), 9).layers if isinstance(layer, Dropout)] == [3]


class OfTorch(torch.nn.Module):
    def forward(self, x):
        return x


def wrapped():
    net = Model(OfTorch())
    net.compile("adam", "mse")
    return net


def with_foreign_layer():
    net = Sequential([OfTorch(), Dense(1)])
    net.compile("adam", "mse")
    return net


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (3, r"build is a compiled net, or a function that returns one, such as def build.*; got 3\."),
        (Sequential, r"build is a compiled net.*got <class"),
        (lambda: None, r"build is a compiled net.*; it returned None\."),
        (lambda: Sequential([Dense(1)]), r"build must return a compiled net: call net\.compile\("),
        (Sequential([Dense(1)]), r"the net is not compiled: call net\.compile\("),
        (wrapped(), r"nothing describes the OfTorch of PyTorch in it\. Give a function that builds and compiles it\."),
        (with_foreign_layer(), r"cannot be copied with another seed: layer .* is a OfTorch of PyTorch.* Or give a"),
    ],
)
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(HandsonError, match=message):
        deep_ensemble(build, *data(), members=2, verbose=0)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], r"Ensemble takes at least one net; got none\."),
        (5, r"Ensemble takes a list of compiled nets; got 5\."),
        ([3], r"Ensemble takes compiled nets; member 1 is 3\."),
        ([net_of(), Sequential([Dense(1)])], r"member 2 is not compiled: call net\.compile\(\.\.\.\) first\."),
        (net_of(), r"got Sequential.*deep_ensemble\(net, x, y, members=5\)\."),
    ],
)
def test_what_is_no_member_is_refused(members, message):
    with pytest.raises(HandsonError, match=rf"(?s){message}"):
        Ensemble(members)


def test_members_is_a_positive_number():
    with pytest.raises(HandsonError, match=r"members is a whole number, at least 1; got 0\."):
        deep_ensemble(net_of, *data(), members=0)


# Folders


def test_a_saved_ensemble_comes_back(tmp_path):
    x, y = data()
    ensemble = deep_ensemble(net_of, x, y, 3, seed=1, epochs=2, validation_split=0.2, validation_freq=2, verbose=0)
    ensemble.save(tmp_path / "new" / "nets")
    files = sorted(path.name for path in (tmp_path / "new" / "nets").iterdir())
    assert files == ["ensemble.json", "member_1.handson", "member_2.handson", "member_3.handson"]
    loaded = Ensemble.load(tmp_path / "new" / "nets")
    assert np.array_equal(loaded.predict(x), ensemble.predict(x))
    assert [net.seed for net in loaded.members] == [1, 2, 3]
    for ours, theirs in zip(loaded.histories, ensemble.histories, strict=True):
        np.testing.assert_equal(ours.to_json(), theirs.to_json())
    loaded.fit(x, y, epochs=1, verbose=0)
    ensemble.fit(x, y, epochs=1, verbose=0)
    assert all(map(same, loaded.members, ensemble.members))


def test_folders_that_hold_no_ensemble_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no ensemble in .*: ensemble\.json is missing\."):
        Ensemble.load(tmp_path)
    index = tmp_path / "ensemble.json"
    for content, message in (
        ({"members": 0, "histories": []}, "members: Input should be greater"),
        ({"members": 10**9, "histories": []}, "members: Input should be less"),
        ({"members": 1, "histories": [{"epoch": 1}]}, "damaged"),
    ):
        index.write_text(json.dumps(content))
        with pytest.raises(HandsonError, match=message):
            Ensemble.load(tmp_path)
    index.write_text(json.dumps({"members": 2, "histories": []}))
    with pytest.raises(FileNotFoundError, match=r"member_1\.handson"):
        Ensemble.load(tmp_path)


def test_it_shows_what_it_is():
    ensemble = Ensemble([net_of(), net_of()])
    assert repr(ensemble) == "Ensemble(2 members)"
    assert len(ensemble) == 2
    assert isinstance(Activation("relu"), torch.nn.Module)
