"""`fit`, `evaluate`, `predict` and `train_on_batch`, against plain loops and closed forms."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import handson
from handson import Sequential
from handson.core.errors import HandsonError
from handson.layers import BatchNormalization, Dense, Dropout
from handson.optimizers import SGD


def data(rng, rows=64, features=3):
    x = rng.normal(size=(rows, features)).astype(np.float32)
    return x, (x @ np.arange(1, features + 1)).astype(np.float32)


def regressor(*layers, seed=None, optimizer="adam", **compiled):
    net = Sequential([Dense(8, activation="relu", input_dim=3), *layers, Dense(1)], seed=seed)
    net.compile(optimizer, "mse", **compiled)
    return net


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_steps_are_those_of_a_plain_torch_loop(rng):
    x, y = data(rng, rows=10)
    net = regressor(optimizer=SGD(0.05, momentum=0.9), seed=3)
    first, last = nn.Linear(3, 8), nn.Linear(8, 1)
    with torch.no_grad():
        for linear, layer in zip((first, last), net.layers, strict=True):
            linear.weight.copy_(layer.kernel.T)
            linear.bias.copy_(layer.bias)
    plain = nn.Sequential(first, nn.ReLU(), last)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(5):
        sums = 0.0
        for start in range(0, 10, 4):
            xb, yb = torch.from_numpy(x[start : start + 4]), torch.from_numpy(y[start : start + 4, None])
            loss = ((plain(xb) - yb) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            sums += loss.item() * len(xb)
        losses.append(sums / 10)
    history = net.fit(x, y, batch_size=4, epochs=5, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-5)
    np.testing.assert_allclose(net.predict(x)[:, 0], plain(torch.from_numpy(x)).detach()[:, 0], rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_run_bit_for_bit(rng):
    x, y = data(rng)

    def run(seed):
        net = regressor(Dropout(0.3), BatchNormalization())
        history = net.fit(x, y, epochs=3, batch_size=10, validation_split=0.25, seed=seed, verbose=0)
        return [*net.get_weights(), np.array(history.history["val_loss"])]

    assert same(run(5), run(5))
    assert not same(run(5), run(6))


def test_a_seed_does_not_draw_weights_that_were_set_or_trained(rng):
    x, y = data(rng)
    net = regressor()
    net.set_weights([np.full_like(weight, 0.1) for weight in net.get_weights()])
    net.fit(x, y, epochs=0, seed=1, verbose=0)
    assert net.get_weights()[0][0, 0] == np.float32(0.1)


def test_a_second_fit_does_not_repeat_the_orders_of_the_first(rng):
    x, y = data(rng)
    once, twice = regressor(seed=1), regressor(seed=1)
    once.fit(x, y, epochs=2, verbose=0)
    twice.fit(x, y, epochs=1, verbose=0)
    twice.fit(x, y, epochs=2, initial_epoch=1, verbose=0)
    assert same(once.get_weights(), twice.get_weights())


def test_nothing_depends_on_who_asked_for_random_numbers_before(rng):
    x, y = data(rng)

    def run():
        net = regressor(Dropout(0.5), seed=2)
        net.fit(x, y, epochs=2, verbose=0)
        return net.get_weights()

    first = run()
    torch.rand(7)
    np.random.default_rng().random(5)
    assert same(first, run())


def test_torchs_own_dropout_is_reproducible_and_leaves_torchs_generator_alone(rng):
    x, y = data(rng)

    def run():
        net = handson.Model(nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1)))
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.fill_(0.1)
        net.compile("sgd", "mse")
        before = torch.get_rng_state()
        net.fit(x, y, epochs=2, seed=4, verbose=0)
        assert torch.equal(torch.get_rng_state(), before)
        return net.get_weights()

    first = run()
    torch.rand(3)
    assert same(first, run())


@pytest.mark.parametrize("batch_size", [1, 3, 7, 64])
def test_reported_means_do_not_depend_on_batches(rng, batch_size):
    x, y = data(rng)
    net = regressor(seed=0, metrics=["mae", "rmse"])
    loss, mae, rmse = net.evaluate(x, y, batch_size=batch_size)
    error = net.predict(x)[:, 0] - y
    np.testing.assert_allclose(
        [loss, mae, rmse], [(error**2).mean(), abs(error).mean(), (error**2).mean() ** 0.5], rtol=1e-5
    )


def test_evaluate_gives_a_number_a_list_or_a_dictionary(rng):
    x, y = data(rng)
    assert isinstance(regressor().evaluate(x, y), float)
    net = regressor(metrics=["mae"])
    assert len(net.evaluate(x, y)) == 2
    assert list(net.evaluate(x, y, return_dict=True)) == ["loss", "mae"]


def test_missing_targets_train_like_the_present_ones_alone(rng):
    """A column of NaN changes nothing for the other: masked elements have no gradient and no share in the mean."""
    x = rng.normal(size=(32, 3)).astype(np.float32)
    y = rng.normal(size=(32, 2)).astype(np.float32)
    y[:, 1] = np.nan
    both = Sequential([Dense(4, activation="tanh", input_dim=3), Dense(2)], seed=1)
    both.compile(SGD(0.1), "mse")
    alone = Sequential([Dense(4, activation="tanh", input_dim=3), Dense(1)], seed=1)
    alone.compile(SGD(0.1), "mse")
    alone.layers[0].set_weights(both.layers[0].get_weights())
    alone.layers[1].set_weights([weight[..., :1] for weight in both.layers[1].get_weights()])
    masked = both.fit(x, y, epochs=3, verbose=0, shuffle=False)
    plain = alone.fit(x, y[:, 0], epochs=3, verbose=0, shuffle=False)
    np.testing.assert_allclose(masked.history["loss"], plain.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(both.predict(x)[:, 0], alone.predict(x)[:, 0], rtol=1e-4, atol=1e-6)


def test_a_batch_without_any_target_is_no_step_into_nan(rng):
    x, y = data(rng)
    y[:4] = np.nan
    net = regressor(seed=0)
    history = net.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_missing_drop_leaves_out_incomplete_rows(rng, capsys):
    x = rng.normal(size=(20, 3)).astype(np.float32)
    y = rng.normal(size=(20, 2)).astype(np.float32)
    y[::4, 1] = np.nan
    nets = [Sequential([Dense(2, input_dim=3)], seed=1) for _ in range(2)]
    for net in nets:
        net.compile("sgd", "mse")
    nets[0].fit(x, y, missing="drop", shuffle=False, verbose=2)
    complete = np.isfinite(y).all(1)
    nets[1].fit(x[complete], y[complete], shuffle=False, verbose=0)
    assert same(nets[0].get_weights(), nets[1].get_weights())
    assert "15 of 20 rows have all targets" in capsys.readouterr().out


def test_sample_weight_of_zero_takes_a_row_out(rng):
    x, y = data(rng, rows=8)
    weight = np.array([1, 1, 1, 1, 0, 0, 0, 0], np.float32)
    net = regressor(seed=0)
    half = net.evaluate(x[:4], y[:4])
    assert net.evaluate(x, y, sample_weight=weight) == pytest.approx(half / 2, rel=1e-5)


def test_class_weight_is_a_sample_weight(rng):
    x = rng.normal(size=(30, 3)).astype(np.float32)
    y = rng.integers(0, 3, 30)
    nets = []
    for _ in range(2):
        net = Sequential([Dense(3, activation="softmax", input_dim=3)], seed=1)
        net.compile("sgd", "sparse_categorical_crossentropy")
        nets.append(net)
    nets[0].fit(x, y, class_weight={0: 2.0, 2: 0.5}, verbose=0)
    nets[1].fit(x, y, sample_weight=np.array([2.0, 1.0, 0.5])[y], verbose=0)
    assert same(nets[0].get_weights(), nets[1].get_weights())


def test_frames_tensors_and_lists_are_taken(rng):
    x, y = data(rng)
    results = []
    for inputs, targets in (
        (x, y),
        (torch.from_numpy(x), torch.from_numpy(y)),
        (pd.DataFrame(x), pd.Series(y, name="t")),
        (x.tolist(), y.tolist()),
        (x.astype(">f8"), y.astype(">f4")),
    ):
        net = regressor(seed=0)
        net.fit(inputs, targets, verbose=0)
        results.append(net.get_weights())
    assert all(same(results[0], result) for result in results[1:])


def test_arrays_are_never_written_to(rng):
    x, y = data(rng)
    x.flags.writeable = y.flags.writeable = False
    regressor(seed=0, scale_inputs="standard", scale_targets="standard").fit(x, y, verbose=0, validation_split=0.2)


def test_the_training_loss_in_evaluation_mode_is_one_argument_away(rng):
    x, y = data(rng)
    net = regressor(Dropout(0.5), seed=0)
    history = net.fit(x, y, epochs=3, evaluate_training=True, verbose=0)
    assert history.history["train_loss"][-1] == pytest.approx(net.evaluate(x, y), rel=1e-5)
    assert history.history["train_loss"][-1] != pytest.approx(history.history["loss"][-1], rel=1e-2)


def test_scaled_targets_are_undone_in_predictions_and_metrics(rng):
    x, y = data(rng, rows=200)
    y = y * 100 + 1000
    net = regressor(seed=0, metrics=["mae"], scale_targets="standard", optimizer=handson.optimizers.Adam(0.01))
    net.fit(x, y, epochs=40, verbose=0)
    predicted = net.predict(x)[:, 0]
    assert np.corrcoef(predicted, y)[0, 1] > 0.95
    loss, mae = net.evaluate(x, y)
    assert mae == pytest.approx(abs(predicted - y).mean(), rel=1e-4)
    assert loss == pytest.approx(((predicted - y) ** 2).mean() / y.var(), rel=1e-3)


def test_train_on_batch_gives_the_loss_before_the_step(rng):
    x, y = data(rng)
    net = regressor(seed=0, metrics=["mae"])
    before = net.evaluate(x, y)
    np.testing.assert_allclose(net.train_on_batch(x, y), before, rtol=1e-5)
    assert net.evaluate(x, y)[0] < before[0]
    assert isinstance(regressor().train_on_batch(x, y), float)


def test_a_batch_is_measured_and_predicted_as_all_rows_are(rng):
    x, y = data(rng)
    net, weights = regressor(metrics=["mae"]), np.arange(len(x), dtype=float)
    assert net.test_on_batch(x, y, weights) == net.evaluate(x, y, sample_weight=weights)
    assert list(net.test_on_batch(x, y, return_dict=True)) == ["loss", "mae"]
    np.testing.assert_array_equal(net.predict_on_batch(x), net.predict(x))


def test_predictions_do_not_depend_on_the_batch_size(rng):
    x, _ = data(rng)
    net = regressor(seed=0)
    np.testing.assert_allclose(net.predict(x, batch_size=1), net.predict(x, batch_size=64), rtol=1e-5, atol=1e-6)


def test_no_rows_give_no_predictions():
    assert regressor(seed=0).predict(np.zeros((0, 3), np.float32)).shape == (0, 1)


def test_regularizers_add_their_penalty_to_loss_and_gradient(rng, keras):
    x, y = data(rng, rows=32)
    ours = Sequential([Dense(4, input_dim=3, kernel_regularizer=handson.regularizers.L2(0.1)), Dense(1)], seed=0)
    theirs = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.1)), keras.layers.Dense(1)]
    )
    theirs.set_weights(ours.get_weights())
    ours.compile(SGD(0.1), "mse")
    theirs.compile(keras.optimizers.SGD(0.1), "mse")
    ours_loss = ours.fit(x, y, epochs=3, shuffle=False, verbose=0).history["loss"]
    theirs_loss = theirs.fit(x, y, epochs=3, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(ours_loss, theirs_loss, rtol=1e-5)


def test_averaged_weights_validate_and_remain(rng):
    x, y = data(rng)
    net = regressor(seed=0, optimizer=SGD(0.05, use_ema=True, ema_momentum=0.9))
    average, seen = [], []

    class Follow(handson.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            weights = [weight.astype(np.float64) for weight in self.model.get_weights()]
            average.extend([] if average else [weight.copy() for weight in weights])  # it starts after the first step
            for mean, weight in zip(average, weights, strict=True):
                mean += 0.1 * (weight - mean)

        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["val_loss"])

    net.fit(x, y, epochs=2, verbose=0, callbacks=[Follow()], validation_data=(x, y))
    for mean, weight in zip(average, net.get_weights(), strict=True):
        np.testing.assert_allclose(weight, mean, rtol=1e-4, atol=1e-6)
    assert seen[-1] == pytest.approx(net.evaluate(x, y), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": -1}, "epochs is a whole number, at least 0; got -1"),
        ({"batch_size": 0}, "batch_size is a whole number, at least 1; got 0"),
        ({"seed": "one"}, "a seed is a whole number, such as seed=0; got 'one'"),
        ({"missing": "skip"}, "missing is 'mask' or 'drop'; got 'skip'"),
        ({"engine": "warp"}, "unknown engine 'warp'"),
        ({"validation_data": 3}, r"validation_data is \(x, y\)"),
        ({"groups": [0] * 64}, "give validation_split too"),
        ({"callbacks": ["early"]}, "callbacks are objects of handson.callbacks; got 'early'"),
        ({"augment": 3}, "augment is a handson.data.Augment or a function"),
    ],
)
def test_wrong_arguments_are_named(rng, arguments, message):
    x, y = data(rng)
    with pytest.raises(HandsonError, match=message):
        regressor().fit(x, y, verbose=0, **arguments)


def test_what_is_measured_does_not_depend_on_how_many_rows_are_taken_at_a_time(rng):
    x, y = rng.normal(size=(5000, 3)), rng.normal(size=5000)
    found = []
    for size in (None, 7, 5000):
        net = Sequential([Dense(4, activation="tanh"), Dense(1)], seed=0)
        net.compile("sgd", "mse", metrics=["mae"])
        history = net.fit(
            x, y, epochs=1, validation_data=(x, y), validation_batch_size=size, batch_size=500, seed=0, verbose=0
        )
        found.append([*(values[-1] for values in history.history.values()), *net.evaluate(x, y, batch_size=size)])
        found[-1].append(float(np.abs(net.predict(x, batch_size=size)).sum()))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-5)


def test_two_steps_on_a_batch_have_different_dropout():
    """The weights stay as they are, so that losses differ by dropout alone; a net with the same seed repeats them."""
    x = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)

    def losses():
        net = Sequential([Dropout(0.5, input_shape=(8,)), Dense(1)], seed=0)
        net.compile(SGD(0.0), "mse")
        return [net.train_on_batch(x, x.sum(1)) for _ in range(3)]

    first = losses()
    assert len(set(first)) == 3
    assert losses() == first


@pytest.mark.parametrize("engine", ["eager", "dense"])
def test_a_batch_larger_than_all_rows_is_all_rows(rng, engine):
    """Engines have memory for a whole batch: of so many rows no machine has it."""
    x, found = rng.normal(size=(20, 3)), []
    for size in (20, 10**13):
        net = Sequential([Dense(4, activation="relu"), Dense(1)], seed=0)
        net.compile("adam", "mse")
        net.fit(x, x[:, 0], batch_size=size, epochs=2, engine=engine, verbose=0)
        found.append(net.predict(x, batch_size=size))
    np.testing.assert_array_equal(*found)


def test_rows_that_are_left_out_take_their_groups_along(rng):
    x, y = data(rng)
    y[::3] = np.nan
    groups, kept = np.arange(len(x)) // 4, ~np.isnan(y)
    histories = [
        regressor(seed=0).fit(x, y, missing="drop", groups=groups, validation_split=0.3, seed=1, verbose=0),
        regressor(seed=0).fit(x[kept], y[kept], groups=groups[kept], validation_split=0.3, seed=1, verbose=0),
    ]
    assert histories[0].history == histories[1].history


@pytest.mark.parametrize("engine", ["eager", "auto", "shards"])
@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_weights_of_steps_are_those_of_keras(keras, rng, loss, engine):
    x, weights = rng.normal(size=(24, 5, 3)).astype("float32"), rng.uniform(0, 2, (24, 5)).astype("float32")
    y = rng.normal(size=(24, 5, 2)) if loss == "mse" else rng.integers(0, 2, (24, 5))
    start, found = [rng.normal(size=shape) for shape in ((3, 4), (4,), (4, 2), (2,))], []
    for of in (handson, keras):
        layers = [of.layers.Dense(4, "tanh"), of.layers.Dense(2, None if loss == "mse" else "softmax")]
        net = of.Sequential([of.layers.Input((5, 3)), *layers])
        net.set_weights(start)
        net.compile(of.optimizers.SGD(0.1), loss, weighted_metrics=["mae" if loss == "mse" else "accuracy"])
        chosen = {"engine": engine} if of is handson else {}
        history = net.fit(
            x, y, sample_weight=weights, epochs=3, batch_size=8, shuffle=False, verbose=0,
            validation_data=(x, y, weights), **chosen,
        ).history  # fmt: skip
        found.append(history | {"weights": np.concatenate([np.ravel(weight) for weight in net.get_weights()])})
    for name, expected in found[1].items():
        np.testing.assert_allclose(found[0][name], expected, rtol=1e-4, atol=1e-6)


def test_weights_that_are_neither_of_rows_nor_of_steps_are_refused(rng):
    net = handson.Sequential([handson.layers.Dense(2, input_shape=(5, 3))])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match=r"sample_weight has 96 entries for 24 samples; .* of shape \(24, 5, 2\)"):
        net.fit(rng.normal(size=(24, 5, 3)), rng.normal(size=(24, 5, 2)), sample_weight=np.ones((24, 4)), verbose=0)
