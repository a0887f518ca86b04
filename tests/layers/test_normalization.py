"""Normalization against its formulas and Keras."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson.core.errors import HandsonError
from handson.layers import (
    Activation,
    BatchNormalization,
    Dense,
    GroupNormalization,
    Input,
    LayerNormalization,
    MaxPooling2D,
    RMSNormalization,
    UnitNormalization,
)
from handson.layers.calling import MASK
from handson.training.engines.blocks.rules import letters

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)


def numbers(shape, seed=0):
    return (np.random.default_rng(seed).normal(size=shape) * 3 + 2).astype("float32")


def filled(layer, shape):
    """The layer, built, with weights that are neither zeros nor ones."""
    rng = np.random.default_rng(1)
    layer.ensure_built((None, *shape))
    layer.set_weights([rng.uniform(0.5, 1.5, weight.shape).astype("float32") for weight in layer.get_weights()])
    return layer


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 6),
    sample=SHAPES,
    data=st.data(),
    momentum=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    epsilon=st.sampled_from([1e-3, 0.5]),
    center=st.booleans(),
    scale=st.booleans(),
)
def test_batch_normalization_is_that_of_keras_over_several_steps(
    keras, rows, sample, data, momentum, epsilon, center, scale
):
    axis = data.draw(st.sampled_from([-1, *range(1, len(sample) + 1)]))
    arguments = {"axis": axis, "momentum": momentum, "epsilon": epsilon, "center": center, "scale": scale}
    ours, theirs = filled(BatchNormalization(**arguments), sample), keras.layers.BatchNormalization(**arguments)
    theirs.build((None, *sample))
    theirs.set_weights(ours.get_weights())
    for seed in range(3):
        x = numbers((rows, *sample), seed)
        y = ours.train()(torch.tensor(x)).detach()
        np.testing.assert_allclose(y, theirs(x, training=True).detach(), rtol=2e-3, atol=2e-4)
    for one, two in zip(ours.get_weights(), theirs.weights, strict=True):
        np.testing.assert_allclose(one, two.value.detach(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        ours.eval()(torch.tensor(x)).detach(), theirs(x, training=False).detach(), rtol=2e-3, atol=2e-4
    )


def test_the_moving_moments_are_the_formula_with_the_biased_variance():
    layer, mean, variance = BatchNormalization(momentum=0.9).train(), np.zeros(3), np.ones(3)
    for seed in range(5):
        x = numbers((4, 3), seed)
        layer(torch.tensor(x))
        mean, variance = 0.9 * mean + 0.1 * x.mean(0), 0.9 * variance + 0.1 * x.var(0)
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)


def test_one_value_is_normalized_to_the_offset():
    layer = BatchNormalization(momentum=0.9, beta_initializer="ones").train()
    assert layer(torch.tensor([[5.0]])).item() == pytest.approx(1.0, abs=1e-4)
    assert layer.moving_mean.item() == pytest.approx(0.5)
    assert layer.moving_variance.item() == pytest.approx(0.9)


def test_a_constant_feature_stays_finite_and_so_does_its_gradient():
    x = torch.full((6, 2), 1e4, requires_grad=True)
    y = BatchNormalization().train()(x)
    y.square().sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()


def test_in_evaluation_nothing_moves():
    layer = filled(BatchNormalization(), (3,))
    before = layer.get_weights()
    layer.eval()(torch.tensor(numbers((4, 3))))
    assert all(np.array_equal(one, two) for one, two in zip(layer.get_weights(), before, strict=True))


def test_a_frozen_layer_uses_and_keeps_its_moving_moments():
    layer = filled(BatchNormalization(), (3,))
    layer.trainable = False
    before, x = layer.get_weights(), torch.tensor(numbers((4, 3)))
    assert torch.equal(layer.train()(x), layer.eval()(x))
    assert all(np.array_equal(one, two) for one, two in zip(layer.get_weights(), before, strict=True))


def test_the_moments_of_images_are_over_rows_and_places():
    x = numbers((4, 5, 6, 3))
    y = BatchNormalization(epsilon=0.0).train()(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(y, (x - x.mean((0, 1, 2))) / x.std((0, 1, 2)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("axis", [0, -3, 3, 5])
def test_an_axis_that_holds_no_features_is_an_error(axis):
    with pytest.raises(HandsonError) as error:
        BatchNormalization(axis=axis, name="norm").ensure_built((None, 4, 5))
    assert str(error.value) == f"BatchNormalization 'norm': axis={axis} is no feature axis of (None, 4, 5)."


def test_the_number_of_features_must_be_known():
    with pytest.raises(HandsonError, match=r"BatchNormalization 'batch_normalization' needs a known size of axis -1"):
        BatchNormalization().ensure_built((None, 4, None))


@pytest.mark.parametrize("axis", [[-1], "channels", 1.5, None])
def test_an_axis_that_is_no_number_is_an_error(axis):
    with pytest.raises(HandsonError, match="BatchNormalization: axis"):
        BatchNormalization(axis=axis)


@pytest.mark.parametrize("momentum", [-0.1, 1.1, float("nan")])
def test_a_momentum_out_of_range_is_an_error(momentum):
    with pytest.raises(HandsonError, match=f"BatchNormalization: momentum .*{momentum}"):
        BatchNormalization(momentum=momentum)


@settings(max_examples=40, deadline=None)
@given(
    sample=SHAPES,
    data=st.data(),
    epsilon=st.sampled_from([1e-3, 0.5]),
    center=st.booleans(),
    scale=st.booleans(),
)
def test_layer_normalization_is_its_formula(sample, data, epsilon, center, scale):
    rank = len(sample) + 1
    axes = tuple(data.draw(st.lists(st.integers(1, rank - 1), min_size=1, unique=True)))
    given = tuple(axis - rank if data.draw(st.booleans()) else axis for axis in axes)
    layer = filled(LayerNormalization(given, epsilon, center, scale), sample)
    x = numbers((3, *sample))
    expected = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)
    broadcast = [size if axis in axes else 1 for axis, size in enumerate(sample, 1)]
    for wanted, name in ((scale, "gamma"), (center, "beta")):
        if wanted:
            weight = getattr(layer, name).detach().numpy().reshape(broadcast)
            expected = expected * weight if name == "gamma" else expected + weight
    np.testing.assert_allclose(layer(torch.tensor(x)).detach(), expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("axis", [-1, (1, 2), (2, 1), [-1, -2, -3]])
def test_layer_normalization_has_the_weights_of_keras(keras, axis):
    ours, theirs = LayerNormalization(axis), keras.layers.LayerNormalization(axis)
    ours.ensure_built((None, 3, 4, 5))
    theirs.build((None, 3, 4, 5))
    assert [tuple(w.shape) for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]


def test_layer_normalization_without_weights_takes_images_of_any_size():
    layer = LayerNormalization((1, 2, 3), center=False, scale=False)
    layer.ensure_built((None, None, None, 1))
    for size in (3, 5):
        y = layer(torch.tensor(numbers((2, size, 4, 1))))
        assert y.mean((1, 2, 3)).abs().max() < 1e-5
        np.testing.assert_allclose(y.var((1, 2, 3), correction=0), 1.0, rtol=1e-2)


def test_layer_normalization_does_not_depend_on_the_batch_or_on_training():
    layer, x = filled(LayerNormalization(), (4,)), torch.tensor(numbers((5, 4)))
    together = layer.train()(x)
    torch.testing.assert_close(torch.cat([layer.eval()(row[None]) for row in x]), together)


@pytest.mark.parametrize("axis", [0, 3, -3, (1, 1), (1, -2), (0, 1)])
def test_axes_that_do_not_fit_are_an_error(axis):
    given = (axis,) if isinstance(axis, int) else axis
    with pytest.raises(HandsonError) as error:
        LayerNormalization(axis, name="norm").ensure_built((None, 4, 5))
    assert str(error.value) == f"LayerNormalization 'norm': axis={given} does not fit inputs (None, 4, 5)."


def test_the_sizes_of_the_axes_must_be_known():
    with pytest.raises(HandsonError, match="LayerNormalization 'layer_normalization' needs known sizes of its axes"):
        LayerNormalization((1, 2)).ensure_built((None, None, 5))


@pytest.mark.parametrize("kind", [BatchNormalization, LayerNormalization])
@pytest.mark.parametrize("epsilon", [-0.1, float("nan")])
def test_a_negative_epsilon_is_an_error(kind, epsilon):
    with pytest.raises(HandsonError, match=f"{kind.__name__}: epsilon .*{epsilon}"):
        kind(epsilon=epsilon)


LIMITS = st.fixed_dictionaries(
    {}, optional={"rmin": st.just(0.8), "rmax": st.sampled_from([0.9, 1.3]), "dmax": st.sampled_from([0.0, 0.4])}
)


@settings(max_examples=40, deadline=None)
@given(
    sample=st.lists(st.integers(2, 5), min_size=1, max_size=3).map(tuple),
    masked=st.booleans(),
    renorm=st.booleans(),
    limits=LIMITS,
    center=st.booleans(),
    scale=st.booleans(),
)
def test_masks_and_renormalization_count_as_in_keras_over_several_steps(
    keras, sample, masked, renorm, limits, center, scale
):
    arguments = {"momentum": 0.8, "center": center, "scale": scale}
    if renorm:
        arguments |= {"renorm": True, "renorm_clipping": limits, "renorm_momentum": 0.7}
    ours, theirs = filled(BatchNormalization(**arguments), sample), keras.layers.BatchNormalization(**arguments)
    theirs.build((None, *sample))
    theirs.set_weights(ours.get_weights())
    for seed in range(3):
        x = numbers((6, *sample), seed)
        mask = torch.tensor(np.random.default_rng(seed).random((6, *sample[:-1])) < 0.7) if masked else None
        mine, peer = (torch.tensor(x, requires_grad=True) for _ in range(2))
        found, wanted = ours.train()(mine, mask=mask), theirs(peer, training=True, mask=mask)
        np.testing.assert_allclose(found.detach(), wanted.detach(), rtol=2e-3, atol=2e-4)
        factors = torch.tensor(numbers(x.shape, 9))
        for one, two in zip(*(torch.autograd.grad((y * factors).sum(), [z, *weights]) for y, z, weights in (
            (found, mine, ours.trainable_weights), (wanted, peer, [w.value for w in theirs.trainable_weights])
        )), strict=True):  # fmt: skip
            np.testing.assert_allclose(one, two, rtol=5e-3, atol=5e-4)
    for one, two in zip(ours.get_weights(), theirs.weights, strict=True):
        np.testing.assert_allclose(one, two.value.detach(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.eval()(x).detach(), theirs(x, training=False).detach(), rtol=2e-3, atol=2e-4)


def test_values_that_a_travelling_mask_leaves_out_do_not_count_and_the_mask_travels_on():
    x, mask = torch.tensor(numbers((4, 5, 3))), torch.tensor(np.random.default_rng(0).random((4, 5)) < 0.6)
    setattr(x, MASK, mask)
    y = BatchNormalization(epsilon=0.0).train()(x)
    kept = y[mask].detach().numpy()
    np.testing.assert_allclose(kept.mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(kept.std(0), 1.0, rtol=1e-5)
    assert torch.equal(getattr(y, MASK), mask)


def test_renormalization_starts_as_batch_normalization_and_draws_its_root():
    layer = BatchNormalization(renorm=True, moving_variance_initializer={"Constant": {"value": 9.0}})
    layer.ensure_built((None, 2))
    assert layer.moving_stddev.tolist() == layer.renorm_stddev.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("renorm", [False, True])
def test_engines_leave_renormalization_to_eager(renorm):
    normalization = BatchNormalization(renorm=renorm)
    net = handson.Sequential([Input((3,)), Dense(2), normalization])
    net.compile("sgd", "mse")
    refused = pytest.raises(HandsonError, match="does not support the layer batch_normalization .*renorm")
    with refused if renorm else nullcontext():
        net.fit(numbers((4, 3)), numbers((4, 2)), engine="dense", verbose=0)
    assert letters([normalization, Activation("relu"), MaxPooling2D()]) == (".ap" if renorm else "nap")


def test_one_process_is_synchronized():
    x = torch.tensor(numbers((6, 3)))
    assert torch.equal(BatchNormalization(synchronized=True).train()(x), BatchNormalization().train()(x))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"rmxa": 1.0}, r"renorm_clipping has 'rmin', 'rmax' and 'dmax'; got 'rmxa'\. Did you mean 'rmax'\?"),
        ({"rmin": 2.0, "rmax": 1.0}, "rmin is at most rmax"),
        ({"dmax": -1.0}, "dmax is not negative"),
    ],
)
def test_limits_that_make_no_sense_are_an_error(limits, message):
    with pytest.raises(HandsonError, match=message):
        BatchNormalization(renorm=True, renorm_clipping=limits)


def test_a_mask_of_another_shape_is_an_error():
    with pytest.raises(HandsonError, match=r"without the last axis, \(4, 5\); got \(4, 3\)\."):
        BatchNormalization().train()(torch.ones(4, 5, 3), mask=torch.ones(4, 3))


def test_weights_obey_their_regularizers_and_constraints():
    for kind in (BatchNormalization, LayerNormalization, lambda **k: GroupNormalization(1, **k)):
        layer = kind(gamma_regularizer="l2", beta_constraint="non_neg")
        layer.ensure_built((None, 3))
        assert [penalty.item() for penalty in layer.penalties()] == pytest.approx([0.03])
        assert list(layer.weight_constraints) == ["beta"]


def test_layers_take_other_sizes_of_axes_they_do_not_normalize_the_next_time():
    for layer in (
        BatchNormalization(),
        LayerNormalization(),
        GroupNormalization(2),
        RMSNormalization(),
        UnitNormalization(),
    ):
        assert layer(Input((5, 4))).shape == (None, 5, 4)
        assert layer(Input((7, 4))).shape == (None, 7, 4)
        if layer.weights:
            with pytest.raises(HandsonError, match="cannot take"):
                layer(Input((5, 6)))


@settings(max_examples=40, deadline=None)
@given(
    sample=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    groups=st.integers(1, 3),
    size=st.integers(1, 3),
    data=st.data(),
    center=st.booleans(),
    scale=st.booleans(),
)
def test_group_normalization_is_its_formula(sample, groups, size, data, center, scale):
    axis = data.draw(st.integers(1, len(sample)))
    sample[axis - 1] = groups * size
    given = data.draw(st.sampled_from([axis, axis - len(sample) - 1]))
    layer = filled(GroupNormalization(groups, given, 0.1, center, scale), sample)
    x = numbers((3, *sample))
    parts = np.stack(np.split(np.moveaxis(x, axis, 1), groups, 1), 1)
    axes = tuple(range(2, parts.ndim))
    parts = (parts - parts.mean(axes, keepdims=True)) / np.sqrt(parts.var(axes, keepdims=True) + 0.1)
    expected = np.moveaxis(np.concatenate(np.moveaxis(parts, 1, 0), 1), 1, axis)
    shape = [groups * size if place == axis else 1 for place in range(x.ndim)]
    expected = expected * (layer.gamma.detach().numpy().reshape(shape) if scale else 1)
    expected = expected + (layer.beta.detach().numpy().reshape(shape) if center else 0)
    np.testing.assert_allclose(layer(torch.tensor(x)).detach(), expected, rtol=2e-3, atol=2e-4)


def test_a_group_of_each_feature_is_instance_normalization():
    x = numbers((3, 5, 6, 4))
    y = GroupNormalization(-1, epsilon=0.0)(torch.tensor(x)).detach()
    np.testing.assert_allclose(
        y, (x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True), rtol=1e-3, atol=1e-4
    )


@settings(max_examples=40, deadline=None)
@given(sample=SHAPES, data=st.data())
def test_rms_and_unit_normalization_are_their_formulas(sample, data):
    rank = len(sample) + 1
    axes = tuple(data.draw(st.lists(st.integers(1, rank - 1), min_size=1, unique=True)))
    given = tuple(axis - rank if data.draw(st.booleans()) else axis for axis in axes)
    x = numbers((3, *sample))
    layer = filled(RMSNormalization(given if data.draw(st.booleans()) else list(given), 0.1), sample)
    scale = layer.scale.detach().numpy().reshape([s if a in axes else 1 for a, s in enumerate(sample, 1)])
    expected = x / np.sqrt((x**2).mean(axes, keepdims=True) + 0.1) * scale
    np.testing.assert_allclose(layer(torch.tensor(x)).detach(), expected, rtol=1e-4, atol=1e-5)
    unit = UnitNormalization(given)(torch.tensor(x))
    np.testing.assert_allclose(unit, x / np.sqrt((x**2).sum(axes, keepdims=True)), rtol=1e-4, atol=1e-5)


def test_zeros_have_no_length_and_a_finite_gradient():
    x = torch.zeros(2, 3, requires_grad=True)
    y = UnitNormalization()(x)
    y.sum().backward()
    assert (y == 0).all()
    assert torch.isfinite(x.grad).all()


def test_scaling_by_the_variance_is_that_of_keras(keras):
    x = torch.tensor(numbers((3, 4, 5)))
    for arguments in ({}, {"axis": 1}, {"axis": [1, 2], "scale": False}):
        ours = filled(LayerNormalization(rms_scaling=True, **arguments), (4, 5))
        with pytest.warns(UserWarning, match="rms_scaling"):
            theirs = keras.layers.LayerNormalization(rms_scaling=True, **arguments)
        theirs.build((None, 4, 5))
        theirs.set_weights(ours.get_weights())
        with pytest.warns(UserWarning, match="rms_scaling"):
            expected = theirs(x)
        np.testing.assert_allclose(ours(x).detach(), expected.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (GroupNormalization(3, name="norm"), r"'norm': groups=3 does not divide the 5 features of \(None, 4, 5\)\."),
        (GroupNormalization(name="norm"), r"'norm': groups=32 does not divide the 5 features"),
        (GroupNormalization(1, axis=0), r"needs an axis of features of known size; axis=0 of \(None, 4, 5\)\."),
        (GroupNormalization(1, axis=3), r"needs an axis of features of known size; axis=3"),
        (RMSNormalization(3), r"RMSNormalization 'rms_normalization': axis=\(3,\) does not fit inputs"),
        (RMSNormalization(0), r"needs known sizes of its axes: \(None, 4, 5\)"),
        (UnitNormalization((1, 1)), r"axis=\(1, 1\) does not fit inputs \(None, 4, 5\)"),
    ],
)
def test_axes_and_groups_that_do_not_fit_are_an_error(layer, message):
    with pytest.raises(HandsonError, match=message):
        layer.ensure_built((None, 4, 5))


def test_groups_and_axes_that_are_none_are_an_error():
    with pytest.raises(HandsonError, match="GroupNormalization: groups must be a positive whole number; got 0"):
        GroupNormalization(0)
    with pytest.raises(HandsonError, match=r"GroupNormalization: axis is a whole number; got \[1\]"):
        GroupNormalization(axis=[1])
    for kind in (LayerNormalization, RMSNormalization, UnitNormalization):
        with pytest.raises(HandsonError, match=f"{kind.__name__}: axis is a whole number or several; got 'x'"):
            kind("x")
