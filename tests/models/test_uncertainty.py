"""Nets that say how sure they are: heads and losses in everything that a net can do."""

import pickle

import numpy as np
import pytest
import torch

import handson
from handson import distributions, losses, metrics
from handson.core.errors import HandsonError
from handson.layers import (
    BatchNormalization,
    Dense,
    Dropout,
    EvidentialDensity,
    GaussianDensity,
    Input,
    LaplaceDensity,
    MixtureDensity,
    OrdinalBins,
    QuantileHead,
    StudentTDensity,
)

LEVELS = [0.1, 0.3, 0.5, 0.7, 0.9]
EDGES = np.linspace(60, 140, 21)
HEADS = {
    "gaussian": (GaussianDensity, (), "gaussian_nll"),
    "gaussian crps": (GaussianDensity, (), "crps"),
    "laplace": (LaplaceDensity, (), "nll"),
    "t": (StudentTDensity, (), "nll"),
    "mixture": (MixtureDensity, (3,), "nll"),
    "evidential": (EvidentialDensity, (), "evidential"),
    "bins": (OrdinalBins, (EDGES,), "crps"),
    "quantiles": (QuantileHead, (LEVELS,), "pinball"),
}
every = pytest.mark.parametrize("name", HEADS)


def made(name, columns=1, hidden=(), **more):
    kind, arguments, loss = HEADS[name]
    layers = [Dense(8, activation="tanh", input_dim=2), *hidden, kind(*arguments, units=columns)]
    net = handson.Sequential(layers, seed=0)
    scaling = None if name == "bins" else "standard"
    net.compile(handson.optimizers.Adam(0.01), loss, **{"metrics": ["mae"], "scale_targets": scaling} | more)
    return net


@pytest.fixture
def data(rng):
    x = rng.normal(size=(64, 2)).astype("float32")
    return x, (100 + 10 * x[:, :1] + (1 + np.abs(x[:, 1:])) * rng.normal(size=(64, 1))).astype("float32")


def same(first, second, x):
    for one, other in zip(first.predict(x, spread=True), second.predict(x, spread=True), strict=True):
        np.testing.assert_array_equal(one, other)


def agree(first, second, rel):
    assert first.keys() == second.keys()
    for key, values in first.items():
        assert values == pytest.approx(second[key], rel=rel), key


@every
def test_predictions_are_in_the_units_of_the_targets(name, data):
    x, y = data
    net = made(name)
    net.fit(x, y, epochs=60, batch_size=16, verbose=0)
    mean, spread = found = net.predict(x, spread=True)
    assert mean.shape == spread.shape == y.shape
    assert found.mean is mean
    assert found.spread is spread
    assert abs(mean.mean() - 100) < 3
    assert 0.3 < spread.mean() < 9
    assert net.evaluate(x, y, return_dict=True)["mae"] == pytest.approx(np.abs(mean - y).mean(), rel=1e-5)
    np.testing.assert_array_equal(net.predict(x), mean)
    low, high = net.predict(x, quantiles=[0.1, 0.9])
    assert low.shape == y.shape
    assert (low < high).all()
    assert 0.5 < ((y > low) & (y < high)).mean() <= 1


@every
def test_a_change_of_units_of_the_targets_changes_nothing_else(name, data):
    if name == "bins":
        pytest.skip("its edges are in the units of the targets")
    x, y = data
    spreads = []
    for factor in (1.0, 1000.0):
        net = made(name)
        net.fit(x, factor * y, epochs=3, verbose=0)
        spreads.append(net.predict(x, spread=True).spread / factor)
    np.testing.assert_allclose(*spreads, rtol=1e-3)


@every
def test_missing_targets_and_weights_of_zero_count_nowhere(name, data):
    x, y = data
    gone = np.arange(64) % 4 == 0
    missing = np.where(gone[:, None], np.nan, y)
    scaling = None if name == "bins" else (100.0, 10.0)
    histories = [
        made(name, scale_targets=scaling).fit(*given, epochs=2, batch_size=64, shuffle=False, verbose=0, seed=1).history
        for given in ((x, missing), (x[~gone], y[~gone]))
    ]
    agree(*histories, rel=1e-4)
    net = made(name, scale_targets=scaling)
    found = net.evaluate(x, y, sample_weight=np.where(gone, 0.0, 1.0))[0]
    assert found == pytest.approx(net.evaluate(x[~gone], y[~gone])[0] * 0.75, rel=1e-4)


@every
def test_engines_agree(name, data):
    x, y = data
    nets = [made(name, hidden=[Dropout(0.1), BatchNormalization()]) for _ in range(2)]
    for net, engine in zip(nets, ("eager", "dense"), strict=True):
        net.fit(x, y, epochs=3, verbose=0, engine=engine)
    agree(*(net.history.history for net in nets), rel=1e-3)


@every
def test_it_saves_loads_copies_and_goes_on(name, data, tmp_path):
    x, y = data
    net = made(name, columns=2)
    both = np.c_[y, y + 1]
    net.fit(x, both, epochs=2, verbose=0)
    net.save(tmp_path / "net.handson")
    again = handson.load(tmp_path / "net.handson")
    same(net, again, x)
    for each in (net, again):
        each.fit(x, both, epochs=1, verbose=0)
    same(net, again, x)
    copied = handson.models.clone_model(net)
    assert copied.layers[-1].distribution.get_config() == net.layers[-1].distribution.get_config()
    copied.set_weights(net.get_weights())
    torch.testing.assert_close(copied(torch.tensor(x)), net(torch.tensor(x)))


@every
def test_a_recorded_training_is_the_same_when_it_is_resumed(name, data, tmp_path):
    x, y = data
    whole = made(name)
    whole.fit(x, y, epochs=4, verbose=0)
    for epochs in (2, 4):
        part = made(name)
        part.fit(x, y, epochs=epochs, verbose=0, run=tmp_path / "run", resume="force")
    same(whole, part, x)


@every
def test_ensembles_and_cross_validation(name, data):
    x, y = data
    ensemble = handson.deep_ensemble(made(name), x, y, members=3, seed=0, epochs=5, verbose=0)
    found = ensemble.predict(x, spread=True)
    each = [net.predict(x, spread=True) for net in ensemble.members]
    means = np.stack([one.mean for one in each])
    own = sum(np.square(part) for part in (found.aleatoric, found.epistemic))
    np.testing.assert_allclose(found.mean, means.mean(0), rtol=1e-5)
    np.testing.assert_allclose(np.square(found.spread), own, rtol=1e-4)
    between = means.var(0) + (np.mean([one.epistemic**2 for one in each], 0) if name == "evidential" else 0)
    np.testing.assert_allclose(np.square(found.epistemic), between, rtol=1e-2, atol=1e-6)
    assert ensemble.predict(x, quantiles=[0.2, 0.8]).shape == (2, 64, 1)
    assert ensemble.evaluate(x, y)[1] == pytest.approx(np.abs(found.mean - y).mean(), rel=1e-4)
    folds = handson.cross_validate(made(name), x, y, folds=2, seed=0, epochs=2, verbose=0)
    assert folds.predictions.shape == y.shape
    assert np.isfinite(folds.scores.to_numpy()).all()


def test_the_likelihood_of_an_ensemble_is_that_of_the_mixture(data):
    x, y = data
    net = made("gaussian", metrics=["crps", "coverage"])
    ensemble = handson.deep_ensemble(net, x, y, members=2, seed=0, epochs=5, verbose=0)
    each = [one.predict(x, spread=True) for one in ensemble.members]
    density = np.mean([np.exp(-(((y - m) / s) ** 2) / 2) / s / np.sqrt(2 * np.pi) for m, s in each], 0)
    found = ensemble.evaluate(x, y, return_dict=True)
    scale = ensemble.members[0].target_scaling.scale.item()
    assert found["loss"] == pytest.approx(-np.log(density * scale).mean(), rel=1e-4)
    assert found["crps"] < np.mean([one.evaluate(x, y, return_dict=True)["crps"] for one in ensemble.members])


@every
def test_between_symbols_beside_another_output(name, data):
    kind, arguments, loss = HEADS[name]
    x, y = data
    inputs = Input((2,))
    hidden = Dense(8, activation="tanh")(inputs)
    outputs = {"value": kind(*arguments)(hidden), "class": Dense(2, activation="softmax")(hidden)}
    net = handson.Model(inputs, outputs, seed=0)
    net.compile("adam", {"value": loss, "class": "sparse_categorical_crossentropy"}, metrics={"class": ["accuracy"]})
    net.fit(x, {"value": y, "class": (x[:, 0] > 0).astype(int)}, epochs=2, verbose=0)
    found = net.predict(x, spread=True)
    assert found.mean["value"].shape == found.spread["value"].shape == y.shape
    assert found.mean["class"].shape == (64, 2)
    assert found.spread["class"] is None


def test_heads_of_sequences(rng):
    x, y = rng.normal(size=(20, 6, 2)).astype("float32"), rng.normal(size=(20, 6, 3))
    y[3, 2:] = np.nan
    net = handson.Sequential([handson.layers.GRU(4, return_sequences=True), MixtureDensity(2, units=3)], seed=0)
    net.compile("adam", "nll", metrics=["coverage"], scale_targets="standard")
    assert np.isfinite(net.fit(x, y, verbose=0).history["loss"]).all()
    assert [each.shape for each in net.predict(x, spread=True)] == [(20, 6, 3)] * 2


def test_a_dense_layer_can_be_the_head(data):
    x, y = data
    net = handson.Sequential([Dense(2, input_dim=2)], seed=0)
    net.compile("sgd", "gaussian_nll", metrics=["rmse", metrics.CRPS()])
    mean, spread = net.predict(x, spread=True)
    raw = net(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(mean, raw[:, :1])
    np.testing.assert_allclose(spread, np.exp(raw[:, 1:] / 2), rtol=1e-6)
    truth = torch.nn.GaussianNLLLoss(full=True)(*map(torch.tensor, (mean, y, spread**2)))
    assert net.evaluate(x, y)[0] == pytest.approx(truth.item(), rel=1e-5)


def test_a_net_that_was_never_compiled_reads_its_head(data):
    net = handson.Sequential([GaussianDensity(input_dim=2)], seed=0)
    mean, spread = net.predict(data[0], spread=True)
    assert mean.shape == spread.shape == (64, 1)
    assert (spread > 0).all()


def test_own_distributions_of_nets_without_a_graph(data):
    x, y = data
    net = handson.Model(torch.nn.Linear(2, 6), seed=0)
    net.compile("adam", losses.NegativeLogLikelihood(distributions.Mixture(2)), scale_targets="standard")
    net.fit(x, y, verbose=0)
    assert net.predict(x, spread=True).spread.shape == (64, 1)
    bare = handson.Model(torch.nn.Linear(2, 6), seed=0)
    bare.compile("adam", "nll")
    with pytest.raises(HandsonError, match="does not know what the outputs mean"):
        bare.fit(x, y, verbose=0)


def test_dropout_at_work_gives_a_spread_that_follows_from_the_seed(data):
    x, y = data
    net = handson.Sequential([Dense(32, activation="relu"), BatchNormalization(), Dropout(0.3), Dense(1)], seed=3)
    net.compile("adam", "mse", scale_targets="standard")
    net.fit(x, y, epochs=3, verbose=0)
    statistics = [weight.copy() for weight in net.get_weights()]
    _mean, spread = found = net.predict(x, spread="dropout", samples=20)
    assert found.aleatoric is None
    assert (spread > 0).all()
    assert not net.training
    np.testing.assert_array_equal(found.epistemic, spread)
    for batch in (7, 64):  # samples do not depend on the batches
        np.testing.assert_allclose(net.predict(x, batch, spread="dropout", samples=20).spread, spread, rtol=1e-4)
    for before, after in zip(statistics, net.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    many = net.predict(x, spread="dropout", samples=400)
    assert np.abs(many.mean - net.predict(x)).mean() < 0.1 * np.abs(net.predict(x)).std()
    assert net.predict(x, spread="dropout", quantiles=[0.1, 0.5]).shape == (2, 64, 1)


def test_dropout_adds_to_the_spread_of_a_head(data):
    x, y = data
    net = made("gaussian", hidden=[Dropout(0.5)])
    net.fit(x, y, verbose=0)
    found = net.predict(x, spread="dropout", samples=10)
    np.testing.assert_allclose(found.spread**2, found.aleatoric**2 + found.epistemic**2, rtol=1e-4)


def test_a_prediction_unpacks_and_pickles():
    found = handson.training.spread.Prediction(np.zeros(2), np.ones(2), None, np.ones(2))
    mean, spread = pickle.loads(pickle.dumps(found))
    assert mean.sum() == 0
    assert spread.sum() == 2
    assert pickle.loads(pickle.dumps(found)).epistemic.sum() == 2
    assert found.aleatoric is None


def fitted(loss, *layers, **more):
    net = handson.Sequential(layers, seed=0)
    net.compile("adam", loss, **more)
    net.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0)
    return net


REFUSED = [
    (lambda: fitted("mse", Dense(1)).predict(np.ones((2, 2)), spread=True), "deep_ensemble"),
    (lambda: fitted("mse", Dense(1)).predict(np.ones((2, 2)), quantiles=[0.5]), "layers.GaussianDensity"),
    (lambda: fitted("mse", Dense(1)).predict(np.ones((2, 2)), spread="dropout"), "has none"),
    (lambda: fitted("nll", GaussianDensity()).predict(np.ones((2, 2)), spread=True, samples=9), "ask for it"),
    (lambda: fitted("mse", Dense(1)).predict(np.ones((2, 2)), spread="dropuot"), "Did you mean 'dropout'"),
    (lambda: fitted("nll", GaussianDensity()).predict(np.ones((2, 2)), spread=True, quantiles=[0.5]), "one of the two"),
    (lambda: fitted("nll", GaussianDensity()).predict(np.ones((2, 2)), quantiles=[50]), "between 0 and 1"),
    (lambda: fitted("pinball", QuantileHead([0.4, 0.6])).predict(np.ones((2, 2)), spread=True), "0.15 to 0.85"),
    (lambda: fitted("pinball", QuantileHead([0.4, 0.6])).predict(np.ones((2, 2)), quantiles=[0.9]), "more levels"),
    (lambda: fitted("mse", GaussianDensity()), r"compile\(loss='nll'\)"),
    (lambda: fitted("mse", QuantileHead()), r"compile\(loss='pinball'\)"),
    (lambda: fitted("nll", QuantileHead()), "no density"),
    (lambda: fitted("pinball", GaussianDensity()), "pinball wants quantiles"),
    (lambda: fitted("pinball", Dense(3)), "does not know its levels"),
    (lambda: fitted("gaussian_nll", MixtureDensity(2)), r"compile\(loss='nll'\)"),
    (lambda: fitted("evidential", GaussianDensity()), "layers.EvidentialDensity"),
    (lambda: fitted("gaussian_nll", Dense(3)), "takes 2 outputs for each column of the targets; the net gives 3"),
    (lambda: fitted("gaussian_nll", Dense(4)), "for these targets it needs 2"),
    (lambda: fitted(losses.GaussianNLL("std"), Dense(2, "tanh")), "positive outputs"),
    (lambda: fitted("nll", OrdinalBins([2.0, 3.0])), "reach from 2 to 3, and the targets from 1 to 1"),
    (lambda: fitted("nll", OrdinalBins([0.0, 3.0]), scale_targets="standard"), "leave scale_targets out"),
    (lambda: fitted("nll", GaussianDensity(), metrics=[metrics.CRPS("variance")]), "leave spread='variance' out"),
    (lambda: fitted("pinball", QuantileHead([0.4, 0.6]), metrics=["coverage"]), "got the level 0.1"),
    (lambda: fitted("pinball", QuantileHead(), metrics=["crps"]), "measure 'pinball'"),
    (lambda: fitted("pinball", QuantileHead(), scale_targets=(0.0, -1.0)), "positive scale"),
    (lambda: GaussianDensity(activation="relu"), "no activation"),
    (lambda: losses.CRPS(distributions.Quantiles()), "pinball"),
    (lambda: losses.GaussianNLL(beta=2), "beta lies between 0 and 1"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_is_refused_with_the_way_out(make, message):
    with pytest.raises(HandsonError, match=message):
        make()
