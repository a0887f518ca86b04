"""What every registered layer must do, and must do as Keras's layer of the same name and arguments does it."""

import json

import numpy as np
import pytest
import torch
from layer_cases import CASES
from scipy import stats

import handson
from handson.core import registry, tree
from handson.layers import Dense, Flatten, Input
from handson.randomness.keys import derive

# A p-value that a right sample falls below once in a hundred thousand cases; keys are fixed, so tests are too.
UNLIKELY = 1e-5

every_case = pytest.mark.parametrize("case", CASES, ids=str)
compared = pytest.mark.parametrize("case", [case for case in CASES if case.peer is not None], ids=str)
not_random = pytest.mark.parametrize(
    "case", [case for case in CASES if case.peer is not None and not case.random], ids=str
)
weighted = pytest.mark.parametrize("case", [case for case in CASES if case.trains and case.built().weights], ids=str)
KNOWN = {name for name in registry.known("layer") if ">" not in name}
# Layers that are called with more than one input, with texts, or hold what no other does: they have tests of their own.
ELSEWHERE = {
    "TorchModuleWrapper", "SimpleRNNCell", "LSTMCell", "GRUCell", "StackedRNNCells", "HashedCrossing", "Pipeline",
    "StringLookup", "TextVectorization",
}  # fmt: skip


# Layers that keep masks which Keras loses.
MASKED_HERE = {"RMSNormalization"}


def named(layer):
    """The weights of a layer and of those in it, by name."""
    parts = [(path, part) for path, part in layer.named_modules() if isinstance(part, handson.layers.Layer)]
    return {f"{path}.{name}": getattr(part, name) for path, part in parts for name in part.weight_names}


def arrays(layer):
    """The weights of a layer of Keras; its own get_weights warns."""
    return [weight.value.detach().numpy() for weight in layer.weights]


def close(actual, expected, rtol=1e-4, atol=1e-5):
    numbers = (each.detach().numpy() if isinstance(each, torch.Tensor) else each for each in (actual, expected))
    np.testing.assert_allclose(*numbers, rtol=rtol, atol=atol)


def strided(x):
    return torch.stack([x, x], -1)[..., 0]


def flipped(x):
    return x.permute(*reversed(range(x.dim()))).contiguous().permute(*reversed(range(x.dim())))


def train_one_step(layer, case):
    """Fit a net of the layer and a dense layer on top for one step; the dense layer is returned."""
    top = Dense(1)
    if isinstance(case.shape, tuple):
        net = handson.Sequential([layer, Flatten(), top], seed=0)
        net.build(case.shapes)
    else:
        inputs = [Input(shape) for shape in case.shape]
        net = handson.Model(inputs, top(Flatten()(case.run(layer, inputs))))
    net.compile(handson.optimizers.SGD(0.1), "mse")
    x = case.inputs(8)
    before = top.get_weights()
    net.fit(x, np.random.default_rng(1).normal(size=8), batch_size=8, epochs=1, verbose=0)
    return top, before


def test_every_registered_layer_is_in_this_harness():
    assert {case.name for case in CASES} == KNOWN - ELSEWHERE


@every_case
@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("training", [False, True])
def test_the_declared_shape_is_the_real_shape(case, rows, training):
    layer = case.built().train(training)
    output = case.run(layer, case.inputs(rows))
    assert (None, *output.shape[1:]) == layer.shape_after(case.shapes)
    assert len(output) == rows


@every_case
def test_the_declared_shape_for_unknown_sizes_fits_the_real_shape(case):
    for axis in range(max(map(len, case.samples)) - 1):
        hidden = [
            (None, *(None if place == axis < len(shape) - 1 else size for place, size in enumerate(shape)))
            for shape in case.samples
        ]
        partly, layer = case.arranged(hidden), case.make()
        try:
            layer.ensure_built(partly, 1)
        except handson.HandsonError:
            continue
        real, declared = case.run(layer.eval(), case.inputs()).shape, layer.shape_after(partly)
        assert len(real) == len(declared)
        assert all(said in (None, size) for said, size in zip(declared[1:], real[1:], strict=True))


@every_case
@pytest.mark.parametrize("training", [False, True])
def test_float32_goes_in_and_comes_out_and_the_input_stays(case, training):
    layer, x = case.built().train(training), case.inputs()
    output = case.run(layer, x)
    assert output.dtype == torch.float32
    assert all(weight.dtype == torch.float32 for weight in layer.weights if weight.is_floating_point())
    assert all(map(torch.equal, tree.leaves(x), tree.leaves(case.inputs())))
    assert torch.isfinite(output).all()


@every_case
def test_an_input_of_another_memory_order_gives_the_same(case):
    layer, x = case.filled().eval(), case.inputs()
    for change in (strided, flipped):
        close(case.run(layer, tree.map_leaves(change, x)), case.run(layer, x), rtol=1e-5, atol=1e-6)


@every_case
def test_a_layer_builds_itself_when_it_is_called(case):
    layer = case.make()
    assert not layer.built
    output = case.run(layer, case.inputs())
    assert layer.built
    assert tuple(output.shape[1:]) == layer.shape_after(case.shapes)[1:]


@every_case
@pytest.mark.parametrize("compact", [False, True])
def test_a_layer_comes_back_from_its_configuration(case, compact):
    layer = case.filled()
    config = json.loads(json.dumps(registry.to_config("layer", layer, compact), allow_nan=False))
    again = registry.resolve("layer", config)
    again.ensure_built(case.shapes, 99)
    again.set_weights(layer.get_weights())
    x = case.inputs()
    assert torch.equal(case.run(again.eval(), x), case.run(layer.eval(), x))
    assert registry.to_config("layer", again, compact) == registry.to_config("layer", layer, compact)


@every_case
def test_the_trainable_state_and_the_name_are_in_the_configuration(case):
    layer = case.make(name="own_name")
    layer.trainable = False
    again = registry.from_config("layer", registry.to_config("layer", layer))
    assert again.name == "own_name"
    if case.name != "InputLayer":
        assert not again.trainable


@weighted
def test_one_step_of_training_changes_the_trainable_weights(case):
    layer = case.built()
    before = {name: weight.detach().clone() for name, weight in named(layer).items()}
    assert before
    train_one_step(layer, case)
    for name, weight in before.items():
        now = named(layer)[name].detach()
        assert torch.isfinite(now).all()
        assert not torch.equal(now, weight), name


@weighted
def test_a_frozen_layer_keeps_all_its_weights(case):
    layer = case.built(trainable=False)
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    before = layer.get_weights()
    top, top_before = train_one_step(layer, case)
    assert all(np.array_equal(one, two) for one, two in zip(layer.get_weights(), before, strict=True))
    assert not np.array_equal(top.get_weights()[0], top_before[0])


@weighted
def test_a_layer_that_is_unfrozen_trains_again(case):
    layer = case.built(trainable=False)
    layer.trainable = True
    before = layer.get_weights()
    train_one_step(layer, case)
    assert not any(np.array_equal(one, two) for one, two in zip(layer.get_weights(), before, strict=True))


@every_case
def test_the_same_key_draws_the_same_weights(case):
    layer, again = case.built(key=1), case.built(key=2)
    again.draw_again(1)
    for path, part in again.named_modules():  # a net draws those of layers in layers by itself
        if path and isinstance(part, handson.layers.Layer):
            part.draw_again(derive(1, path))
    for one, two in zip(layer.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(one, two)


@weighted
def test_another_key_draws_other_kernels(case):
    one, two = case.built(key=1), case.built(key=2)
    for name, weight in named(one).items():
        if "kernel" in name:
            assert not torch.isclose(weight, named(two)[name]).any()


@every_case
def test_weights_come_back_from_arrays(case):
    layer, other = case.filled(), case.built(key=5)
    other.set_weights(layer.get_weights())
    x = case.inputs()
    assert torch.equal(case.run(other.eval(), x), case.run(layer.eval(), x))


@every_case
def test_the_number_of_values_is_that_of_the_weights(case):
    layer = case.built()
    assert layer.count_params() == sum(weight.size for weight in layer.get_weights())


@compared
def test_weights_have_the_names_order_and_shapes_of_keras(keras, case):
    ours, theirs = case.built(), case.keras(keras)
    assert [weight.name for weight in ours.weights] == [weight.name for weight in theirs.weights]
    assert [tuple(weight.shape) for weight in ours.weights] == [tuple(weight.shape) for weight in theirs.weights]
    trainable = [isinstance(weight, torch.nn.Parameter) for weight in ours.weights]
    assert trainable == [weight.trainable for weight in theirs.weights]


@compared
def test_initial_weights_are_distributed_as_those_of_keras(keras, case):
    for ours, theirs in zip(case.built().get_weights(), arrays(case.keras(keras)), strict=True):
        if len(np.unique(theirs)) <= 2:
            assert np.array_equal(ours, theirs)
        else:
            assert stats.ks_2samp(ours.ravel(), theirs.ravel()).pvalue > UNLIKELY


@compared
def test_masks_go_through_the_layers_that_they_go_through_in_keras(keras, case):
    assert case.make().supports_masking == (case.keras(keras).supports_masking or case.name in MASKED_HERE)


@compared
def test_outputs_are_those_of_keras(keras, case):
    ours, theirs = case.filled().eval(), case.keras(keras)
    theirs.set_weights(ours.get_weights())
    close(case.run(ours, case.inputs()), case.run(theirs, case.inputs(), training=False))


@not_random
def test_outputs_and_weights_in_training_are_those_of_keras(keras, case):
    ours, theirs = case.filled().train(), case.keras(keras)
    theirs.set_weights(ours.get_weights())
    for seed in range(3):
        x = tree.map_leaves(lambda leaf: leaf + 1, case.inputs(seed=seed))
        close(case.run(ours, x), case.run(theirs, x, training=True))
    for one, two in zip(ours.get_weights(), arrays(theirs), strict=True):
        close(one, two)


@not_random
def test_gradients_in_training_are_those_of_keras(keras, case):
    ours, theirs = case.filled().train(), case.keras(keras)
    theirs.set_weights(ours.get_weights())
    x, other = (tree.map_leaves(lambda leaf: leaf.requires_grad_(case.ids is None), case.inputs()) for _ in range(2))
    y, expected = case.run(ours, x), case.run(theirs, other, training=True)
    factors = torch.tensor(np.random.default_rng(3).normal(size=tuple(y.shape)), dtype=torch.float32)
    mine = [weight for weight in ours.weights if isinstance(weight, torch.nn.Parameter)]
    peers = [weight.value for weight in theirs.trainable_weights]
    if case.ids is None:
        mine, peers = [*tree.leaves(x), *mine], [*tree.leaves(other), *peers]
    found = torch.autograd.grad((y * factors).sum(), mine)
    wanted = torch.autograd.grad((expected * factors).sum(), peers)
    for one, two in zip(found, wanted, strict=True):
        close(one, two, rtol=1e-3, atol=1e-4)


@not_random
def test_a_frozen_layer_in_training_gives_the_outputs_of_keras(keras, case):
    ours, theirs = case.filled().train(), case.keras(keras)
    theirs.set_weights(ours.get_weights())
    ours.trainable = theirs.trainable = False
    close(case.run(ours, case.inputs()), case.run(theirs, case.inputs(), training=True))
