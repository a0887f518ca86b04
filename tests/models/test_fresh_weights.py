"""Only weights that are as they were drawn are drawn again; what was trained, set or loaded stays."""

import copy
import gc
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import handson
from handson import Model, Sequential
from handson.ensembles import cross_validate, deep_ensemble, sweep
from handson.layers import BatchNormalization, Dense, Layer, Normalization

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = X.sum(1)


def net_of(*layers, seed=None):
    net = Sequential(list(layers) or [Dense(8, activation="relu", input_dim=4), Dense(1)], seed=seed)
    net.compile("adam", "mse")
    return net


def kept(weights, now):
    return [bool(np.array_equal(a, b)) for a, b in zip(weights, now, strict=True)]


def draw(net, seed=3):
    """Train for no epoch: the seed draws what it may."""
    net.fit(X, Y[:, None] * np.ones(net.output_shape[-1], np.float32), epochs=0, seed=seed, verbose=0)
    return net.get_weights()


def bodies():
    trained = net_of()
    trained.fit(X, Y, verbose=0)
    return trained


def test_a_net_that_nothing_has_touched_is_drawn_from_the_seed_of_fit():
    assert kept(draw(net_of()), draw(net_of())) == [True] * 4
    assert kept(draw(net_of(), 3), draw(net_of(), 4)) == [False, True, False, True]
    assert kept(net_of(seed=3).get_weights(), draw(net_of(), 3)) == [True] * 4


def test_a_seed_of_the_net_is_not_replaced():
    net = net_of(seed=0)
    assert kept(net.get_weights(), draw(net)) == [True] * 4


@pytest.mark.parametrize("frozen", [True, False])
def test_a_trained_body_stays_and_a_new_head_is_drawn(frozen):
    net = bodies()
    net.pop()
    net.add(Dense(3))
    net.layers[0].trainable = not frozen
    before = net.get_weights()
    assert kept(before, draw(net)) == [True, True, False, True]
    assert kept(before[2:], draw(net)[2:])[0] is False


def test_what_took_part_in_a_training_stays_though_it_did_not_change():
    net = net_of()
    net.layers[0].trainable = False
    net.fit(X, Y, verbose=0)
    before = net.get_weights()
    assert kept(before, draw(net)) == [True] * 4
    net.train_on_batch(X, Y)
    assert kept(before[:2], draw(net)[:2]) == [True, True]


@pytest.mark.parametrize("load", ["load_weights", "by_name", "load", "set_weights", "layer", "state_dict"])
def test_what_was_loaded_or_set_stays(tmp_path, load):
    source, net = bodies(), net_of()
    source.save_weights(tmp_path / "w.h5"), source.save(tmp_path / "n.handson")
    if load == "load_weights":
        net.load_weights(tmp_path / "w.h5")
    elif load == "by_name":
        net.load_weights(tmp_path / "w.h5", by_name=True)
    elif load == "load":
        net = handson.load(tmp_path / "n.handson")
    elif load == "set_weights":
        net.set_weights(source.get_weights())
    elif load == "layer":
        net.layers[0].set_weights(source.layers[0].get_weights())
    else:
        net.load_state_dict(source.state_dict())
    net.pop()
    net.add(Dense(3))
    before = net.get_weights()
    assert kept(before[:3], draw(net)[:3]) == [True, True, False]


WRITES = {
    "in place": lambda weight: weight.detach().mul_(2),
    "data": lambda weight: weight.data.mul_(2),
    "numpy": lambda weight: weight.detach().numpy().__imul__(2),
    "init": nn.init.normal_,
    "other data": lambda weight: setattr(weight, "data", torch.ones_like(weight)),
}


@pytest.mark.parametrize("how", WRITES)
def test_one_weight_that_was_written_to_stays(how):
    net = net_of()
    WRITES[how](net.layers[0].kernel)
    before = net.get_weights()
    assert kept(before, draw(net)) == [True, True, False, True]


def test_a_weight_that_became_another_stays():
    net = net_of()
    net.layers[1].kernel = nn.Parameter(torch.ones(8, 1))
    before = net.get_weights()
    assert kept(before, draw(net)) == [False, True, True, True]


def test_setting_weights_to_what_they_were_is_setting_them():
    net = net_of()
    net.set_weights(net.get_weights())
    assert kept(net.get_weights(), draw(net)) == [True] * 4


def test_moving_a_net_leaves_it_as_it_was_drawn():
    net = net_of()
    net.double().float()
    assert kept(draw(net), draw(net_of())) == [True] * 4


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize("make", [net_of, bodies])
def test_a_copy_keeps_its_weights(again, make):
    net = again(make())
    assert kept(net.get_weights(), draw(net)) == [True] * 4


# Layers of one net in another


@pytest.mark.parametrize("make", [net_of, bodies])
@pytest.mark.parametrize("gone", [True, False])
def test_layers_of_another_net_keep_names_and_weights(make, gone):
    first = make()
    layers, before = list(first.layers), first.get_weights()
    second = net_of(*layers[:-1], Dense(3))
    if gone:
        del first
        gc.collect()
    assert [layer.name for layer in layers] == ["dense", "dense_1"]
    assert kept(before[:2], draw(second)[:2]) == [True, True]
    if not gone:
        assert list(first.state_dict()) == ["dense.kernel", "dense.bias", "dense_1.kernel", "dense_1.bias"]
        assert kept(before, first.get_weights()) == [True] * 4


def test_automatic_names_that_clash_are_the_containers():
    first, second = net_of(), net_of()
    mixed = Sequential([Dense(4, input_dim=4), first.layers[0], Dense(4), second.layers[0]])
    assert list(mixed._modules) == ["dense", "dense_1", "dense_2", "dense_3"]
    assert (first.layers[0].name, second.layers[0].name) == ("dense", "dense")
    assert mixed.get_layer("dense_1") is first.layers[0]
    mixed.pop()
    assert list(mixed._modules) == ["dense", "dense_1", "dense_2"]


def test_masks_follow_the_net_that_trains():
    """Dropout draws by its place in the net; the layer's other net does not change that."""
    histories = []
    for shared in (False, True):
        net = Sequential([handson.layers.Dropout(0.5, input_shape=(4,)), Dense(1)], seed=0)
        net.compile("sgd", "mse")
        if shared:
            Sequential([Dense(4, input_dim=4), net.layers[0], handson.layers.Dropout(0.1)])
        histories.append(net.fit(X, Y, epochs=2, verbose=0).history["loss"])
    assert histories[0] == histories[1]


# Builders of several nets


def body_and_head(source):
    def build():
        net = net_of(*copy.deepcopy(source.layers[:-1]), Dense(1))
        net.layers[0].trainable = False
        return net

    return build


def weights_set_inside(source):
    def build():
        net = net_of()
        net.layers[0].set_weights(source.layers[0].get_weights())
        net.layers[0].trainable = False
        return net

    return build


@pytest.mark.parametrize("builder", [body_and_head, weights_set_inside])
@pytest.mark.parametrize("train", ["ensemble", "sweep", "folds"])
def test_what_a_function_sets_stays_in_every_member(builder, train):
    source = bodies()
    before, build = source.layers[0].get_weights(), builder(source)
    if train == "ensemble":
        members = deep_ensemble(build, X, Y, members=2, epochs=1, verbose=0).members
    elif train == "sweep":
        members = sweep(build, {"epochs": [1, 2]}, X, Y, monitor="loss", seed=1, verbose=0).members
    else:
        members = cross_validate(build, X, Y, folds=2, epochs=1, seed=1, verbose=0).members
    for member in members:
        assert kept(before, member.layers[0].get_weights()) == [True, True]
    if train == "ensemble":
        assert not np.array_equal(members[0].get_weights()[2], members[1].get_weights()[2])


# Nets in nets


def nested(seed=None, inner_seed=None, built=True):
    first = {"input_dim": 4} if built else {}
    inner = Sequential([Dense(3, **first), Sequential([Dense(4), Dense(4)])], seed=inner_seed)
    return net_of(inner, Dense(1, input_dim=4), seed=seed)


@pytest.mark.parametrize("built", [True, False])
def test_a_seed_reaches_inner_nets(built):
    one, two, other = (nested(seed, built=built) for seed in (0, 0, 1))
    for net in (one, two, other):
        net.predict(X)
    assert kept(one.get_weights(), two.get_weights()) == [True] * 8
    assert kept(one.get_weights(), other.get_weights())[::2] == [False] * 4
    assert not np.array_equal(one.get_weights()[4], one.get_weights()[2])


def test_the_seed_of_fit_reaches_inner_nets_too():
    assert kept(draw(built(nested())), draw(built(nested()))) == [True] * 8
    assert kept(draw(built(nested()), 3), draw(built(nested()), 4))[::2] == [False] * 4


def built(net):
    net.predict(X)
    return net


def test_an_inner_net_with_a_seed_keeps_it():
    one, two = built(nested(0, inner_seed=5)), built(nested(1, inner_seed=5))
    assert kept(one.get_weights(), two.get_weights())[:-2] == [True] * 6
    assert not np.array_equal(one.get_weights()[-2], two.get_weights()[-2])


def test_a_trained_inner_net_keeps_its_weights_and_names():
    inner = bodies()
    before = inner.get_weights()
    net = net_of(inner, Dense(1), seed=7)
    assert kept(before, inner.get_weights()) == [True] * 4
    assert kept(before, draw(net)[:4]) == [True] * 4
    assert [layer.name for layer in inner.layers] == ["dense", "dense_1"]
    assert net.layers[0] is inner


def test_an_inner_net_belongs_to_the_first_net_around_it():
    inner = Sequential([Dense(4, input_dim=4)])
    net_of(inner, Dense(1))
    before = inner.get_weights()
    assert kept(before, draw(net_of(inner, Dense(1)))[:2]) == [True, True]


class Branches(nn.Module):
    """A module of PyTorch that holds layers of handson's."""

    def __init__(self):
        super().__init__()
        self.left, self.right = Dense(2), Dense(2)

    def forward(self, x):
        return self.left(x) + self.right(x)


@pytest.mark.parametrize("wrap", [lambda part, seed: Sequential([part], seed=seed), lambda p, s: Model(p, seed=s)])
def test_a_seed_reaches_layers_in_modules_of_torch(wrap):
    one, two = (built(wrap(Branches(), 0)) for _ in range(2))
    assert kept(one.get_weights(), two.get_weights()) == [True] * 4
    assert not np.array_equal(one.get_weights()[0], one.get_weights()[2])


# Freezing


def frozen_module():
    return nn.Linear(4, 4).requires_grad_(False)


def half_frozen_module():
    module = nn.Linear(4, 4)
    module.bias.requires_grad_(False)
    return module


def frozen_net():
    net = Sequential([Dense(4, input_dim=4), BatchNormalization()])
    net.trainable = False
    return net


def frozen_unbuilt_net():
    net = Sequential([Dense(4), BatchNormalization()])
    net.trainable = False
    return net


@pytest.mark.parametrize(
    ("make", "free"),
    [(frozen_module, 0), (half_frozen_module, 1), (frozen_net, 0), (frozen_unbuilt_net, 0),
     (lambda: nn.Sequential(frozen_module(), nn.ReLU()), 0), (lambda: Sequential([frozen_module()]), 0)],
)  # fmt: skip
def test_wrapping_thaws_nothing(make, free):
    part = make()
    net = net_of(part, Dense(1))
    net.predict(X)
    before = copy.deepcopy(part.state_dict())
    net.fit(X, Y, verbose=0)
    changed = [name for name, value in part.state_dict().items() if not torch.equal(value, before[name])]
    assert len(changed) == free
    assert sum(weight.requires_grad for weight in part.parameters()) == free
    net.trainable = True
    assert all(weight.requires_grad for weight in net.parameters())


def test_freezing_the_outer_net_freezes_all():
    net = built(nested())
    net.trainable = False
    before = net.get_weights()
    net.fit(X, Y, verbose=0)
    assert kept(before, net.get_weights()) == [True] * 8
    assert not net.layers[0].trainable


def test_freezing_a_layer_freezes_the_layers_in_it():
    class Block(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inside = BatchNormalization()

        def forward(self, x):
            return self.inside(x)

    net = net_of(Block(trainable=False), Dense(1))
    net.predict(X)
    before = net.layers[0].inside.get_weights()
    net.fit(X, Y, verbose=0)
    assert kept(before, net.layers[0].inside.get_weights()) == [True] * 4


def test_a_frozen_normalization_of_torch_keeps_its_averages():
    module = nn.BatchNorm1d(4)
    net = net_of(handson.layers.TorchModuleWrapper(module, trainable=False), Dense(1))
    net.fit(X + 5, Y, verbose=0)
    assert torch.equal(module.running_mean, torch.zeros(4))
    net.trainable = True
    net.fit(X + 5, Y, verbose=0)
    assert not torch.equal(module.running_mean, torch.zeros(4))


def test_a_net_is_no_layer_of_itself():
    net = Sequential([Dense(4, input_dim=4)])
    around = Sequential([Sequential([net])])
    with pytest.raises(handson.HandsonError, match="the net 'sequential' cannot be a layer of itself"):
        net.add(around)


def test_a_copy_with_another_seed_is_frozen_where_the_net_is():
    net = net_of()
    net.layers[0].requires_grad_(False)
    ensemble = deep_ensemble(net, X, Y, members=2, epochs=1, verbose=0)
    assert [weight.requires_grad for weight in ensemble.members[0].parameters()] == [False, False, True, True]


def test_a_copy_with_another_seed_has_what_does_not_train():
    """Frozen weights that were trained, the averages of a frozen layer, and what a layer was adapted to."""
    adapted = Normalization()
    adapted.adapt(3 * X + 1)
    net = Sequential([adapted, Dense(4, activation="relu"), BatchNormalization(), Dense(4), Dense(1)], seed=0)
    net.compile("adam", "mse")
    net.fit(X, Y, epochs=2, verbose=0)
    net.layers[1].trainable = net.layers[2].trainable = False
    net.layers[3].bias.requires_grad_(False)
    for member in deep_ensemble(net, X, Y, members=2, seed=7, epochs=1, verbose=0).members:
        for ours, theirs in zip(net.layers[:3], member.layers[:3], strict=True):
            assert all(kept(ours.get_weights(), theirs.get_weights()))
        assert np.array_equal(net.layers[3].get_weights()[1], member.layers[3].get_weights()[1])
        assert not np.allclose(net.layers[3].get_weights()[0], member.layers[3].get_weights()[0], atol=0.1)
    assert all(kept(cross_validate(net, X, Y, folds=2, seed=0, verbose=0).members[0].layers[0].get_weights(),
                adapted.get_weights()))  # fmt: skip


def test_a_copy_of_a_net_that_is_not_built_has_what_its_layers_hold():
    adapted, frozen = Normalization(), Dense(4, trainable=False)
    adapted.adapt(3 * X + 1)
    frozen.build((None, 4))
    frozen.set_weights([np.eye(4), np.ones(4)])
    (member,) = deep_ensemble(net_of(adapted, frozen, Dense(1)), X, Y, members=1, epochs=1, verbose=0).members
    assert all(kept(adapted.get_weights(), member.layers[0].get_weights()))
    assert all(kept(frozen.get_weights(), member.layers[1].get_weights()))


def test_frozen_weights_that_are_as_they_were_drawn_follow_the_seed_of_a_copy():
    net = net_of()
    net.layers[0].trainable = False
    first, second = deep_ensemble(net, X, Y, members=2, epochs=1, verbose=0).members
    assert not all(kept(first.layers[0].get_weights(), second.layers[0].get_weights()))


def test_adding_to_an_inner_net_changes_the_shape_of_the_outer():
    inner = Sequential([Dense(3, input_dim=4)])
    net = Sequential([inner])
    inner.add(Dense(5))
    assert net.predict(X).shape == (24, 5)
    assert net.output_shape == (None, 5)
