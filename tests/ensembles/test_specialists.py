"""Specialists: where they start, which rows and columns they see, and how their predictions are put together."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import Sequential
from handson.core.errors import HandsonError
from handson.data import Augment
from handson.data.rows.split import split
from handson.ensembles.specialists import Specialists, find_groups
from handson.layers import Activation, Dense, Flatten

COLUMNS = ["left_x", "left_y", "right_x", "right_y", "nose_x", "nose_y"]
EYES, NOSE = COLUMNS[:4], COLUMNS[4:]


def data_of(rows=40, missing=True):
    """Images of 4x4 pixels and three points; the eyes are known in all rows, the nose in two of three."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, size=(rows, 4, 4, 1)).astype(np.float32)
    y = (x.reshape(rows, 16)[:, :6] * 2 + rng.uniform(0, 1, size=(rows, 6))).astype(np.float32)
    if missing:
        y[::3, 4:] = np.nan
    return x, y


def trained_net(x, y, **compiled):
    net = Sequential([Flatten(), Dense(8, activation="relu"), Dense(6)], seed=1)
    net.compile(handson.optimizers.Adam(0.01), "mse", **({"metrics": ["rmse"]} | compiled))
    net.fit(x, pd.DataFrame(y, columns=COLUMNS), epochs=2, verbose=0)
    return net


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture
def recorded(monkeypatch):
    """The arguments of every `fit` of a net from now on."""
    calls, fit = [], Sequential.fit

    def record(self, *arguments, **kwargs):
        calls.append((arguments, kwargs))
        return fit(self, *arguments, **kwargs)

    monkeypatch.setattr(Sequential, "fit", record)
    return calls


# Groups


@settings(deadline=None, max_examples=40)
@given(sources=st.lists(st.integers(0, 3), min_size=1, max_size=8), seed=st.integers(0, 1000))
def test_columns_that_are_missing_together_are_a_group(sources, seed):
    rng = np.random.default_rng(seed)
    present = rng.random((4, 200)) < 0.6
    targets = np.where(present[sources].T, 1.0, np.nan)
    names = [f"c{number}" for number in range(len(sources))]
    expected = {}
    for name, source in zip(names, sources, strict=True):
        expected.setdefault(source, []).append(name)
    assert list(find_groups(targets, names).values()) == list(expected.values())


def test_a_few_rows_more_or_less_do_not_make_a_group():
    targets = np.ones((200, 3))
    targets[:100] = np.nan
    targets[:4, 1] = 1
    targets[:40, 2] = 1
    assert list(find_groups(targets, ["a", "b", "c"]).values()) == [["a", "b"], ["c"]]


def test_complete_targets_are_one_group():
    assert find_groups(np.ones((5, 3)), ["a", "b", "c"]) == {"group_1": ["a", "b", "c"]}


def test_automatic_groups_are_found_when_fitting():
    x, y = data_of()
    specialists = Specialists(trained_net(x, y)).fit(x, y, epochs=1, verbose=0)
    assert specialists.groups == {"group_1": EYES, "group_2": NOSE}
    assert [net.output_shape for net in specialists.models.values()] == [(None, 4), (None, 2)]


# Where a specialist starts


@pytest.mark.parametrize("scaling", [None, "standard", {"shift": 2.0, "scale": 3.0}])
def test_a_specialist_starts_with_the_predictions_of_the_trained_net(scaling):
    x, y = data_of()
    net = trained_net(x, y, scale_targets=scaling, scale_inputs="standard")
    specialist = Specialists(net).specialist(["nose_y", "left_x"])
    np.testing.assert_allclose(specialist.predict(x), net.predict(x)[:, [5, 0]], rtol=1e-5, atol=1e-6)


def test_a_new_output_layer_starts_fresh_on_the_trained_layers():
    x, y = data_of()
    net = trained_net(x, y)
    first, again, other = (Specialists(net, output="new").specialist(NOSE, seed=seed) for seed in (1, 1, 2))
    for specialist in (first, other):
        assert same(specialist.get_weights()[:2], net.get_weights()[:2])
    assert same(first.get_weights(), again.get_weights())
    assert not np.array_equal(first.get_weights()[2], other.get_weights()[2])
    assert not np.array_equal(first.get_weights()[2], net.get_weights()[2][:, 4:])


def test_a_specialist_is_compiled_like_the_trained_net_and_measures_its_error():
    x, y = data_of()
    net = trained_net(x, y, metrics=["mae"])
    specialist = Specialists(net).specialist(NOSE)
    assert specialist.optimizer.get_config() == net.optimizer.get_config()
    assert specialist.optimizer.iterations == 0
    assert [metric.name for metric in specialist.metrics] == ["mae", "rmse"]
    assert Specialists(net).specialist(NOSE, optimizer={"SGD": {"momentum": 0.5}}).optimizer.momentum == 0.5


def test_the_trained_net_is_left_as_it_is():
    x, y = data_of()
    net = trained_net(x, y)
    before = net.get_weights()
    Specialists(net, {"nose": NOSE}).fit(x, y, epochs=3, verbose=0)
    assert same(net.get_weights(), before)


# What it is trained on


def test_a_specialist_is_the_net_fine_tuned_on_the_rows_that_have_its_columns():
    x, y = data_of()
    net = trained_net(x, y)
    specialists = Specialists(net, {"nose": NOSE}).fit(x, y, epochs=3, batch_size=8, patience=None, seed=5, verbose=0)
    present = np.isfinite(y[:, 4])
    by_hand = Specialists(net).specialist(NOSE, seed=specialists.models["nose"].seed)
    by_hand.fit(x[present], y[present, 4:], epochs=3, batch_size=8, verbose=0)
    np.testing.assert_allclose(specialists.models["nose"].get_weights()[2], by_hand.get_weights()[2], atol=1e-6)


def test_rows_without_all_columns_are_left_out_and_counted():
    x, y = data_of()
    y[1, 0] = np.nan
    counted = {}
    Specialists(trained_net(x, y), {"eyes": EYES, "nose": NOSE}).fit(
        x, y, epochs=1, verbose=0, on_group=counted.__setitem__
    )
    assert counted == {"eyes": 39, "nose": int(np.isfinite(y[:, 4]).sum())}


def test_validation_rows_are_those_that_the_trained_net_has_not_seen(recorded):
    x, y = data_of()
    rows = split(len(x), 0.25, 3, None, np.arange(40) // 2)
    net = trained_net(x, y)
    recorded.clear()
    Specialists(net, {"eyes": EYES}).fit(
        x, y, epochs=1, validation_split=0.25, groups=np.arange(40) // 2, seed=3, verbose=0
    )
    (_, kwargs), *_ = recorded
    np.testing.assert_array_equal(kwargs["x"], x[rows.train])
    np.testing.assert_array_equal(kwargs["validation_data"][0], x[rows.validation])
    np.testing.assert_array_equal(kwargs["validation_data"][1], y[rows.validation, :4])


def test_the_best_weights_are_kept_and_patience_stops():
    x, y = data_of()
    net = trained_net(x, y)
    specialists = Specialists(net, {"eyes": EYES}).fit(
        x, y, epochs=60, patience=2, optimizer=handson.optimizers.Adam(0.3), validation_split=0.3, verbose=0
    )
    losses = specialists.histories["eyes"].history["val_loss"]
    assert len(losses) == int(np.argmin(losses)) + 3 < 60
    rows = split(len(x), 0.3, net.seed)
    assert specialists.models["eyes"].evaluate(x[rows.validation], y[rows.validation, :4])[0] == pytest.approx(
        min(losses), rel=1e-5
    )


def test_the_same_seed_gives_the_same_specialists_in_any_order_of_groups():
    x, y = data_of()
    net = trained_net(x, y)
    groups = {"eyes": EYES, "nose": NOSE}
    first, again, other = (
        Specialists(net, dict(given)).fit(x, y, epochs=2, batch_size=8, seed=seed, verbose=0)
        for given, seed in ((groups.items(), 1), (reversed(groups.items()), 1), (groups.items(), 2))
    )
    for name in groups:
        assert same(first.models[name].get_weights(), again.models[name].get_weights())
        assert not same(first.models[name].get_weights(), other.models[name].get_weights())


def test_arrays_are_never_written_to():
    x, y = data_of()
    net = trained_net(x, y)
    x.flags.writeable = y.flags.writeable = False
    Specialists(net).fit(x, y, epochs=1, augment=Augment(horizontal_flip=True), validation_split=0.2, verbose=0)


def test_a_frame_with_its_columns_in_another_order_is_not_taken_for_the_first_order():
    x, y = data_of()
    net = trained_net(x, y)
    expected = Specialists(net, {"nose": NOSE}).fit(x, y, epochs=2, verbose=0).predict(x)
    frame = pd.DataFrame(y, columns=COLUMNS)[COLUMNS[::-1]]
    try:
        found = Specialists(net, {"nose": NOSE}).fit(x, frame, epochs=2, verbose=0).predict(x)
    except HandsonError as error:
        assert "columns" in str(error)  # noqa: PT017
    else:
        np.testing.assert_array_equal(found, expected)


# Augmentation


def augment_of(recorded, group, **arguments):
    """The augmentation that a specialist is trained with."""
    x, y = data_of()
    net = trained_net(x, y)
    recorded.clear()
    Specialists(net, {"group": group}).fit(x, y, epochs=1, augment=Augment(**arguments), verbose=0)
    return recorded[0][1]["augment"]


def test_flips_stay_where_both_sides_are_in_the_group(recorded):
    augment = augment_of(recorded, EYES, horizontal_flip=True, rotation=10)
    assert (augment.horizontal_flip, augment.rotation) == (0.5, (-10, 10))


def test_flips_stay_where_no_column_has_a_side(recorded):
    assert augment_of(recorded, NOSE, horizontal_flip=0.25).horizontal_flip == 0.25


def test_flips_are_turned_off_where_a_side_has_no_partner_and_the_rest_stays(recorded):
    augment = augment_of(recorded, EYES[:2], horizontal_flip=True, vertical_flip=True, rotation=10, noise=0.1)
    assert (augment.horizontal_flip, augment.vertical_flip) == (0, 0)
    assert (augment.rotation, augment.noise) == ((-10, 10), 0.1)


@pytest.mark.parametrize(
    "keypoints", [[(0, 1), (2, 3), (4, 5)], [("left_x", "left_y"), ("right_x", "right_y"), ("nose_x", "nose_y")]]
)
def test_given_keypoints_are_those_of_the_group(recorded, keypoints):
    augment = augment_of(recorded, NOSE, rotation=10, keypoints=keypoints)
    bound = augment.bind(handson.data.rows.arrays.as_tensor(data_of()[0], "x"), 2, NOSE)
    assert bound.pairs == [(0, 1)]


@pytest.mark.parametrize("swaps", [[(0, 2), (1, 3)], [("left_x", "right_x"), ("left_y", "right_y")]])
@pytest.mark.parametrize(("group", "flip"), [(EYES, 0.5), (NOSE, 0.5), (EYES[2:], 0.0)])
def test_given_swaps_are_those_of_the_group(recorded, swaps, group, flip):
    augment = augment_of(recorded, group, horizontal_flip=True, swaps=swaps)
    bound = augment.bind(handson.data.rows.arrays.as_tensor(data_of()[0], "x"), len(group), group)
    assert augment.horizontal_flip == flip
    assert bound.swaps == ([(0, 2), (1, 3)] if group == EYES else [])


def test_half_of_a_given_keypoint_is_refused(recorded):
    with pytest.raises(HandsonError, match="has 'nose_x' and not the other coordinate"):
        augment_of(recorded, ["nose_x"], rotation=10, keypoints=[("nose_x", "nose_y")])


# Predictions


def test_predictions_are_put_together_and_the_trained_net_gives_the_rest():
    x, y = data_of()
    net = trained_net(x, y)
    specialists = Specialists(net, {"mixed": ["nose_y", "left_x"], "right": ["right_y"]})
    specialists.fit(x, y, epochs=2, verbose=0)
    together = specialists.predict(x)
    np.testing.assert_array_equal(together[:, [5, 0]], specialists.models["mixed"].predict(x))
    np.testing.assert_array_equal(together[:, [3]], specialists.models["right"].predict(x))
    np.testing.assert_array_equal(together[:, [1, 2, 4]], net.predict(x)[:, [1, 2, 4]])


def test_predictions_are_in_the_units_of_the_targets():
    x, y = data_of()
    net = trained_net(x, y * 30 + 400, scale_targets="standard")
    specialists = Specialists(net).fit(x, y * 30 + 400, epochs=5, verbose=0)
    predicted = specialists.predict(x)
    assert np.nanmean(abs(predicted - (y * 30 + 400))) < 60


def test_curves_are_the_errors_by_epoch():
    x, y = data_of()
    specialists = Specialists(trained_net(x, y), {"eyes": EYES})
    specialists.fit(x, y, epochs=3, validation_split=0.25, verbose=0)
    history = specialists.histories["eyes"].history
    assert specialists.curves() == {"eyes": (history["rmse"], history["val_rmse"])}


def test_curves_without_validation_are_those_of_the_training():
    x, y = data_of()
    specialists = Specialists(trained_net(x, y), {"eyes": EYES}).fit(x, y, epochs=2, verbose=0)
    training, validation = specialists.curves()["eyes"]
    assert training == validation


# Files


def test_specialists_are_saved_and_loaded(tmp_path):
    x, y = data_of()
    specialists = Specialists(trained_net(x, y), {"eyes": EYES, "nose": NOSE}, output="new")
    specialists.fit(x, y, epochs=2, validation_split=0.25, verbose=0).save(tmp_path / "s")
    loaded = Specialists.load(tmp_path / "s")
    np.testing.assert_array_equal(loaded.predict(x), specialists.predict(x))
    assert (loaded.groups, loaded.columns, loaded.output) == (specialists.groups, COLUMNS, "new")
    assert loaded.curves() == specialists.curves()
    assert loaded.histories["nose"].epoch == [0, 1]


@pytest.mark.parametrize("name", ["trained", "Trained", "../outside", "a/b", "", "specialists", "Größe 1", "a.b"])
def test_any_name_of_a_group_is_refused_or_comes_back_from_the_folder(tmp_path, name):
    """Names become files: one must not overwrite another, nor leave the folder."""
    x, y = data_of()
    net = trained_net(x, y)
    try:
        specialists = Specialists(net, {name: NOSE}).fit(x, y, epochs=1, verbose=0)
        specialists.save(tmp_path / "folder" / "s")
    except HandsonError as error:
        assert repr(name) in str(error)  # noqa: PT017
        return
    np.testing.assert_array_equal(Specialists.load(tmp_path / "folder" / "s").predict(x), specialists.predict(x))
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["s"]


def test_a_folder_without_specialists_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there are no specialists in .*: specialists.json is missing"):
        Specialists.load(tmp_path)


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": {"eyes": ["left_x", "rihgt_x"]}}, "group 'eyes' names the column 'rihgt_x'.*mean 'right_x'"),
        ({"groups": {}}, r"groups is 'auto' or a dictionary of names to columns; got \{\}"),
        ({"groups": "all"}, "groups is 'auto' or a dictionary of names to columns; got 'all'"),
        ({"groups": {"eyes": []}}, "'eyes'"),
        ({"groups": {"eyes": "left_x"}}, "'eyes'.*'left_x'"),
        ({"groups": {"eyes": EYES, "left": EYES[:2]}}, "'left_x'"),
        ({"output": "old"}, "output is 'trained' or 'new'; got 'old'"),
        ({"columns": ["a", "b"]}, "the net has 6 outputs, and 2 columns are named"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    x, y = data_of()
    with pytest.raises(HandsonError, match=message):
        Specialists(trained_net(x, y), **arguments)


def test_columns_without_names_get_numbers():
    x, y = data_of(missing=False)
    net = Sequential([Flatten(), Dense(6)], seed=0)
    net.compile("sgd", "mse")
    net.fit(x, y, verbose=0)
    assert Specialists(net).columns == [f"target_{number}" for number in range(6)]


def test_a_net_that_is_not_built_is_refused_with_the_cure():
    net = Sequential([Flatten(), Dense(6)])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="(built|trained)"):
        Specialists(net)


def test_a_net_that_is_not_compiled_is_refused():
    net = Sequential([Dense(6, input_dim=3)])
    with pytest.raises(HandsonError, match="the net is not compiled; specialists are trained like it"):
        Specialists(net).specialist(["target_0"])


def test_a_net_that_does_not_end_in_a_dense_layer_is_refused():
    net = Sequential([Dense(6, input_dim=3), Activation("relu")])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="the net's last layer must be a Dense; it is a Activation"):
        Specialists(net).specialist(["target_0"])


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_a_net_for_classes_is_refused(loss):
    net = Sequential([Dense(3, "softmax", input_dim=3)])
    net.compile("sgd", loss)
    with pytest.raises(HandsonError, match=f"tells classes apart by '{loss}'.*train an Ensemble"):
        Specialists(net)


def test_a_group_that_no_row_has_is_named():
    x, y = data_of()
    net = trained_net(x, y)
    y[:, 4] = np.nan
    with pytest.raises(HandsonError, match="no row has all columns of the group 'nose'"):
        Specialists(net, {"nose": NOSE}).fit(x, y, epochs=1, verbose=0)


def test_a_wrong_number_of_target_columns_is_named():
    x, y = data_of()
    with pytest.raises(HandsonError, match=r"targets have shape \(40, 5\); expected 6 columns"):
        Specialists(trained_net(x, y)).fit(x, y[:, :5], epochs=1, verbose=0)


def test_predicting_before_fitting_says_so():
    x, y = data_of()
    with pytest.raises(HandsonError, match="the specialists are not trained yet: call fit first"):
        Specialists(trained_net(x, y)).predict(x)


def test_every_specialist_has_an_optimizer_of_its_own(tmp_path):
    x, y = data_of()
    specialists = Specialists(trained_net(x, y), {"eyes": EYES, "nose": NOSE}, columns=COLUMNS)
    specialists.fit(x, y, epochs=2, optimizer=handson.optimizers.Adam(0.01), verbose=0)
    eyes, nose = (specialists.models[name].optimizer for name in ("eyes", "nose"))
    assert eyes is not nose
    specialists.save(tmp_path / "specialists")
    again = Specialists.load(tmp_path / "specialists")
    assert again.models["eyes"].optimizer.iterations == eyes.iterations == 4
    assert same([again.predict(x)], [specialists.predict(x)])


def test_specialists_train_beside_one_another_and_as_they_would_alone(capsys):
    x, y = data_of()
    net = trained_net(x, y)
    groups = {"eyes": EYES, "nose": NOSE}
    given = {"epochs": 700, "batch_size": 8, "validation_split": 0.25, "patience": None, "seed": 3}
    together = Specialists(net, groups).fit(x, y, workers=2, **given)
    assert "2 of 2 nets train as compiled programs" in capsys.readouterr().out
    after_another = Specialists(net, groups).fit(x, y, workers=1, verbose=0, **given)
    for name in groups:
        assert same(together.models[name].get_weights(), after_another.models[name].get_weights())
        assert together.histories[name].history == after_another.histories[name].history


def test_a_group_that_no_row_has_is_named_before_anything_is_trained(recorded):
    x, y = data_of()
    net = trained_net(x, y)
    y[:, 4] = np.nan
    recorded.clear()
    with pytest.raises(HandsonError, match="no row has all columns of the group 'nose'"):
        Specialists(net, {"eyes": EYES, "nose": NOSE}).fit(x, y, epochs=1, verbose=0)
    assert not recorded


def test_a_net_that_no_epoch_makes_better_is_kept_as_it_was(capsys):
    x, y = data_of(missing=False)
    net = trained_net(x, y)
    net.fit(x, y, epochs=200, verbose=0)
    specialists = Specialists(net, {"eyes": EYES})
    specialists.fit(x, y, epochs=2, validation_data=(x, y), optimizer=handson.optimizers.SGD(30.0, clipnorm=1.0))
    assert "specialist eyes: no epoch was better than the net it started from" in capsys.readouterr().out
    np.testing.assert_allclose(specialists.predict(x), net.predict(x), atol=1e-6)


def test_each_specialist_has_a_seed_and_a_head_of_its_own():
    """Of three groups of one size; without a step the heads are as they were drawn."""
    x, y = data_of()
    groups = {"left": COLUMNS[:2], "right": COLUMNS[2:4], "nose": COLUMNS[4:]}
    specialists = Specialists(trained_net(x, y), groups, output="new")
    specialists.fit(x, y, epochs=1, optimizer=handson.optimizers.SGD(0.0), verbose=0)
    nets = list(specialists.models.values())
    assert len({net.seed for net in nets}) == 3
    heads = [net.layers[-1].get_weights()[0] for net in nets]
    assert len({head.tobytes() for head in heads}) == 3
    assert all(same(net.layers[1].get_weights(), nets[0].layers[1].get_weights()) for net in nets)
