"""`Model` and `Sequential`: building, names, weights, errors."""

import copy
import gc

import numpy as np
import pytest
import torch
from torch import nn

import handson
from handson import Model, Sequential
from handson.core.errors import HandsonError, NotBuiltError
from handson.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from handson.optimizers import Adam


def small(**kwargs):
    return Sequential([Dense(4, activation="relu", input_dim=3), Dense(1)], **kwargs)


def test_input_shape_input_dim_input_and_data_build_the_same_net():
    x = np.zeros((2, 3), np.float32)
    nets = [
        Sequential([Dense(4, input_shape=(3,)), Dense(1)], seed=1),
        Sequential([Dense(4, input_dim=3), Dense(1)], seed=1),
        Sequential([Input((3,)), Dense(4), Dense(1)], seed=1),
        Sequential([Dense(4), Dense(1)], seed=1),
    ]
    nets[3].predict(x)
    added = Sequential(seed=1)
    added.add(Dense(4, input_dim=3))
    added.add(Dense(1))
    for net in (*nets[1:], added):
        for ours, theirs in zip(net.get_weights(), nets[0].get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_layers_are_numbered_by_kind_and_reached_by_name():
    net = Sequential([Conv2D(2, 3, input_shape=(9, 9, 1)), Conv2D(2, 3), Flatten(), Dense(3), Dense(1, name="out")])
    assert [layer.name for layer in net.layers] == ["conv2d", "conv2d_1", "flatten", "dense", "out"]
    assert net.get_layer("out") is net.layers[-1]
    assert net.get_layer(index=0) is net.get_layer("conv2d")
    with pytest.raises(HandsonError, match="no layer is called 'conv2d_2'. Did you mean 'conv2d_1' or 'conv2d'"):
        net.get_layer("conv2d_2")


def test_layers_have_the_names_that_keras_gives_them(keras):
    kinds = ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D", "Conv2D", "GlobalAveragePooling2D", "Dense"]
    kinds += ["LeakyReLU", "Dropout", "Dense", "Dropout", "Dense"]

    def names(layers, sequential, shape):
        given = {"Conv2D": (2, 3), "Dense": (3,), "Dropout": (0.5,)}
        return [
            layer.name for layer in sequential([shape, *(getattr(layers, k)(*given.get(k, ())) for k in kinds)]).layers
        ]

    kinds = [kind for kind in kinds if hasattr(handson.layers, kind)]
    keras.backend.clear_session()
    expected = names(keras.layers, keras.Sequential, keras.Input((9, 9, 1)))
    # The second net counts from the first on in Keras, from its own beginning here.
    assert names(handson.layers, Sequential, Input((9, 9, 1))) == expected
    assert names(handson.layers, Sequential, Input((9, 9, 1))) == expected


def test_names_go_on_after_pop_and_beside_given_ones():
    net = Sequential([Dense(2, input_dim=2), Dense(2, name="dense_1"), Dense(2)])
    assert [layer.name for layer in net.layers] == ["dense", "dense_1", "dense_2"]
    net.pop()
    net.add(Dense(1))
    assert net.layers[-1].name == "dense_2"


def test_a_name_of_a_method_can_be_a_layer():
    net = Sequential([Dense(2, input_dim=2, name="fit"), Dense(1, name="compile")])
    assert net.get_layer("fit").units == 2
    net.compile("sgd", "mse")
    assert len(net.fit(np.ones((4, 2)), np.ones(4), verbose=0).epoch) == 1


def test_two_layers_of_one_name_are_refused():
    with pytest.raises(HandsonError, match="the name 'a' is taken"):
        Sequential([Dense(2, name="a", input_dim=2), Dense(2, name="a")])


def test_any_torch_module_is_a_layer():
    net = Sequential([nn.Conv2d(1, 4, 3), nn.ReLU(), Flatten(), nn.LazyLinear(5), Dense(1)])
    assert net.predict(np.zeros((2, 8, 8, 1), np.float32)).shape == (2, 1)
    assert [layer.name for layer in net.layers] == ["conv2d", "re_lu", "flatten", "lazy_linear", "dense"]


def test_model_wraps_any_module_and_trains_it(rng):
    x = rng.normal(size=(64, 3)).astype(np.float32)
    net = Model(nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1)))
    net.compile(handson.optimizers.Adam(0.01), "mse")
    history = net.fit(x, x.sum(1), epochs=30, seed=0, verbose=0)
    assert history.history["loss"][-1] < 0.2 * history.history["loss"][0]


def test_a_list_is_no_module():
    with pytest.raises(HandsonError, match=r"A list of layers: Sequential\(\[...\]\)"):
        Model([Dense(1)])


def test_weights_are_in_the_order_and_layouts_of_keras(keras, rng):
    ours = Sequential([Conv2D(4, 3, input_shape=(8, 8, 2)), MaxPooling2D(), Flatten(), Dense(3)])
    theirs = keras.Sequential(
        [keras.Input((8, 8, 2)), keras.layers.Conv2D(4, 3), keras.layers.MaxPooling2D(), keras.layers.Flatten(),
         keras.layers.Dense(3)]
    )  # fmt: skip
    ours.set_weights(theirs.get_weights())
    x = rng.normal(size=(5, 8, 8, 2)).astype(np.float32)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-5)


def test_set_weights_of_the_wrong_shape_changes_nothing():
    net = small(seed=0)
    before = net.get_weights()
    wrong = [np.zeros_like(weight) for weight in before]
    wrong[3] = np.zeros(7)
    with pytest.raises(HandsonError, match=r"weight 3 of 'sequential' has shape \(1,\); got an array of \(7,\)"):
        net.set_weights(wrong)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_an_unbuilt_net_says_how_it_is_built():
    with pytest.raises(NotBuiltError, match=r"give its first layer input_shape=..., start with Input"):
        Sequential([Dense(3)]).summary()


def test_grey_images_may_come_without_their_channel_as_in_keras():
    net = Sequential([Conv2D(2, 3, input_shape=(8, 8, 1)), Flatten(), Dense(1)])
    grey = np.random.default_rng(0).normal(size=(2, 8, 8)).astype("f4")
    np.testing.assert_array_equal(net.predict(grey), net.predict(grey[..., None]))
    with pytest.raises(HandsonError, match=r"takes inputs of shape \(None, 8, 8, 1\); got \(None, 8, 8, 3\)"):
        net.predict(np.zeros((2, 8, 8, 3), np.float32))


def test_pop_takes_the_last_layer_off():
    net = small()
    net.pop()
    assert net.output_shape == (None, 4)
    assert net.predict(np.zeros((2, 3), np.float32)).shape == (2, 4)


def test_count_params_counts_buffers_too_and_summary_separates_them(capsys):
    net = Sequential([Dense(4, input_dim=3), handson.layers.BatchNormalization()])
    net.summary()
    assert net.count_params() == 16 + 16
    assert "Trainable params: 24\nNon-trainable params: 8" in capsys.readouterr().out


def test_a_net_is_a_torch_module():
    net = small()
    assert isinstance(net, nn.Module)
    assert set(net.state_dict()) == {"dense.kernel", "dense.bias", "dense_1.kernel", "dense_1.bias"}
    assert net(torch.zeros(2, 3)).shape == (2, 1)


def test_adding_a_class_is_refused_with_the_cure():
    with pytest.raises(HandsonError, match=r"write Dense\(...\)"):
        Sequential([Dense])


def test_compile_names_the_nearest_loss_and_metric():
    net = small()
    with pytest.raises(HandsonError, match="unknown loss 'mean_squared_eror'. Did you mean 'mean_squared_error'"):
        net.compile("adam", "mean_squared_eror")
    with pytest.raises(HandsonError, match="unknown metric 'acuracy'. Did you mean 'accuracy'"):
        net.compile("adam", "mse", metrics=["acuracy"])
    with pytest.raises(HandsonError, match="unknown optimizer 'adm'. Did you mean 'adam'"):
        net.compile("adm", "mse")


@pytest.mark.parametrize("name", [None, "twice"])
def test_a_layer_is_in_a_net_once(name):
    layer = Dense(3, name=name)
    with pytest.raises(HandsonError, match="is in this net already: make another one"):
        Sequential([Dense(3, input_dim=3), layer, layer])


@pytest.mark.parametrize("built", [True, False])
def test_a_whole_net_is_frozen_and_thawed(rng, capsys, built):
    x = rng.normal(size=(20, 3)).astype(np.float32)
    net = Sequential([Dense(4, activation="relu", **{"input_dim": 3} if built else {}), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    assert net.trainable
    net.trainable = False
    net.fit(x, x[:, 0], verbose=2)
    assert not net.trainable
    assert "no weight of this net changes" in capsys.readouterr().out
    frozen = net.get_weights()
    losses = net.fit(x, x[:, 0], epochs=2, verbose=0).history["loss"]
    assert losses == pytest.approx([net.evaluate(x, x[:, 0], verbose=0)] * 2)
    assert all(np.array_equal(a, b) for a, b in zip(frozen, net.get_weights(), strict=True))
    assert net.optimizer.iterations == 3
    net.trainable = True
    net.fit(x, x[:, 0], verbose=2)
    assert "no weight" not in capsys.readouterr().out
    assert not any(np.array_equal(a, b) for a, b in zip(frozen, net.get_weights(), strict=True))


def test_the_weights_of_a_module_are_frozen_too(rng):
    net = Model(nn.Linear(3, 1))
    net.trainable = False
    assert not net.trainable
    assert not net.module.weight.requires_grad


def test_an_optimizer_that_has_trained_a_net_is_no_other_nets(rng):
    x, optimizer = rng.normal(size=(8, 2)), Adam()
    first, second = Sequential([Dense(1)], name="first"), Sequential([Dense(1)])
    first.compile(optimizer, "mse")
    first.fit(x, x[:, :1], verbose=0)
    with pytest.raises(HandsonError, match="this Adam has trained another net, 'first'.*an optimizer of its own"):
        second.compile(optimizer, "mse")
    first.compile(optimizer, "mae")
    second.compile(Adam.from_config(optimizer.get_config()), "mse")


def test_fit_before_compile_says_so():
    with pytest.raises(HandsonError, match="fit needs a compiled net"):
        small().fit(np.zeros((2, 3)), np.zeros(2))


def test_freezing_works_without_compiling_again(rng):
    x, y = rng.normal(size=(32, 3)).astype(np.float32), rng.normal(size=32).astype(np.float32)
    net = small(seed=0)
    net.compile("sgd", "mse")
    first, last = net.layers
    first.trainable = False
    before = first.get_weights(), last.get_weights()
    net.fit(x, y, verbose=0)
    np.testing.assert_array_equal(first.get_weights()[0], before[0][0])
    assert (last.get_weights()[0] != before[1][0]).any()
    first.trainable = True
    net.fit(x, y, verbose=0)
    assert (first.get_weights()[0] != before[0][0]).any()


def test_a_frozen_batch_normalization_keeps_its_averages(rng):
    net = Sequential([handson.layers.BatchNormalization(input_dim=3), Dropout(0.1), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    net.layers[0].trainable = False
    net.fit(rng.normal(5, 1, size=(32, 3)), np.zeros(32), verbose=0)
    np.testing.assert_array_equal(net.layers[0].get_weights()[2], np.zeros(3))


def test_the_model_module_of_the_lectures_is_the_same():
    from handson.model import Sequential as FromModel

    assert FromModel is Sequential


@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize("when", ["compiled after", "compiled before"])
def test_an_optimizer_of_another_net_is_refused_whether_that_is_there_or_gone(alive, when):
    x, optimizer = np.ones((8, 2), np.float32), Adam()
    first, second = Sequential([Dense(1, input_dim=2)]), Sequential([Dense(1, input_dim=2)])
    if when == "compiled before":
        second.compile(optimizer, "mse")
    first.compile(optimizer, "mse")
    first.fit(x, x[:, 0], verbose=0)
    if not alive:
        del first
        gc.collect()
    with pytest.raises(HandsonError, match="this Adam has trained another net"):
        second.compile(optimizer, "mse")
    if when == "compiled before":
        with pytest.raises(HandsonError, match="this Adam has trained another net"):
            second.fit(x, x[:, 0], verbose=0)
    afresh = Adam.from_config(optimizer.get_config())
    second.compile(afresh, "mse")
    second.fit(x, x[:, 0], verbose=0)
    assert afresh.iterations == 1


def test_a_copied_net_trains_on_with_its_optimizer():
    x = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    net = Sequential([Dense(1, input_dim=2)], seed=0)
    net.compile(Adam(), "mse")
    net.fit(x, x[:, 0], verbose=0)
    other = copy.deepcopy(net)
    for each in (net, other):
        each.fit(x, x[:, 0], verbose=0)
    assert all(map(np.array_equal, net.get_weights(), other.get_weights()))


@pytest.mark.parametrize(
    ("verb", "argument", "meant"),
    [
        ("fit", "epoch", "epochs"),
        ("evaluate", "sample_weights", "sample_weight"),
        ("predict", "batchsize", "batch_size"),
        ("compile", "metric", "metrics"),
        ("train_on_batch", "class_weigth", "class_weight"),
    ],
)
def test_a_misspelt_argument_of_a_verb_is_named_with_the_nearest(verb, argument, meant):
    net = Sequential([Dense(1, input_dim=2)])
    net.compile("adam", "mse")
    with pytest.raises(TypeError, match=f"{verb} has no argument '{argument}'. Did you mean '{meant}'"):
        getattr(net, verb)(np.ones((2, 2)), **{argument: 1})


CHANGES_OF_A_LIST = {
    "pop": lambda layers: layers.pop(), "append": lambda layers: layers.append(Dense(1)),
    "assign": lambda layers: layers.__setitem__(-1, Dense(1)), "delete": lambda layers: layers.__delitem__(0),
    "insert": lambda layers: layers.insert(0, Dense(1)), "reverse": lambda layers: layers.reverse(),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES_OF_A_LIST)
def test_the_list_of_layers_cannot_be_changed_in_vain(change):
    stack, x = Sequential([Dense(2, input_dim=3), Dense(1)]), Input((3,))
    for net in (stack, Model(x, Dense(1)(x)), Model(nn.Sequential(nn.Linear(3, 1)))):
        with pytest.raises(HandsonError, match=r"changing it changes no net: net\.pop\(\)"):
            CHANGES_OF_A_LIST[change](net.layers)
    assert type(stack.layers[:-1]) is type(copy.deepcopy(stack.layers)) is list
