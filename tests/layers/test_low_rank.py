"""Low-rank matrices beside a kernel: the numbers of Keras, files both ways, and what alone trains."""

import copy

import numpy as np
import pytest
import torch
from keras_files import Ours, assert_same_outputs, theirs
from random_layers import Case

import handson
from handson import layers
from handson.core.errors import HandsonError, NotBuiltError

NAMES = ["Dense", "EinsumDense", "Embedding", "Conv1D", "Conv2D", "Conv3D"]


@pytest.fixture(scope="module")
def both(keras):
    return Ours, theirs(keras)


def adapted(net):
    return [layer for layer in net.layers if hasattr(layer, "enable_lora")]


def pair(both, name, seed):
    """The same net in both libraries, with matrices of the same numbers beside its kernels."""
    case, nets = Case(name, seed), []
    for constraint in ("kernel_constraint", "embeddings_constraint"):
        case.arguments.pop(constraint, None)
    rank, alpha = map(int, case.rng.integers(1, 4, 2))
    for of in both:
        net = case.net(of)
        for layer in adapted(net):
            layer.enable_lora(rank, lora_alpha=alpha)
        nets.append(net)
    weights = [case.rng.uniform(0.1, 0.4, weight.shape) for weight in nets[0].get_weights()]
    for net in nets:
        net.set_weights(weights)
    return case, nets


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", NAMES)
def test_outputs_gradients_and_steps_are_those_of_keras(both, name, seed):
    case, (ours, other) = pair(both, name, seed)
    (x,), y = case.inputs(10), case.rng.normal(size=(10, 2)).astype("float32")
    found = [net(torch.tensor(x)) for net in (ours, other)]
    trained = ours.trainable_weights, [weight.value for weight in other.trainable_weights]
    slopes = [torch.autograd.grad(values.square().sum(), of) for values, of in zip(found, trained, strict=True)]
    for one, two in zip([found[0].detach(), *slopes[0]], [found[1].detach(), *slopes[1]], strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-4, atol=2e-4 * float(two.abs().max()))
    kept = [layer._own(layer.adapted).clone() for layer in adapted(ours)]
    for net, of in zip((ours, other), both, strict=True):
        net.compile(of.optimizers.SGD(1e-4), "mse")
        net.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0)
    assert all(torch.equal(old, layer._own(layer.adapted)) for old, layer in zip(kept, adapted(ours), strict=True))
    names, theirs_of = ([weight.path.rpartition("/")[2] for weight in net.trainable_weights] for net in (ours, other))
    assert names == theirs_of
    assert sum(weight.numel() for weight in ours.trainable_weights) < ours.count_params() == other.count_params()
    for one, two in zip(ours.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["Dense", "Embedding", "Conv2D"])
def test_files_are_read_both_ways_with_the_product_in_the_kernel(both, tmp_path, name):
    case, nets = pair(both, name, 4)
    (x,) = case.inputs(6)
    for number, net in enumerate(nets):
        net.save(tmp_path / f"{number}.keras")
    again = [both[1 - number].load(tmp_path / f"{number}.keras") for number in range(2)]
    for one, two in zip(again, nets, strict=True):
        assert_same_outputs(one, two, x)
    first = adapted(again[1])[0]
    matrix, product = (getattr(first, each).detach() for each in first.factors)
    assert (product == 0).all()
    assert (matrix != 0).all(), "with both zero, as Keras leaves them, neither would ever train"


def test_files_of_weights_are_read_both_ways(both, tmp_path):
    case, nets = pair(both, "EinsumDense", 4)
    (x,) = case.inputs(6)
    for number, net in enumerate(nets):
        before = net.predict(x, verbose=0)
        net.save_weights(tmp_path / f"{number}.weights.h5")
        net.set_weights([weight * 0 for weight in net.get_weights()])
        nets[1 - number].load_weights(tmp_path / f"{number}.weights.h5")
        np.testing.assert_allclose(nets[1 - number].predict(x, verbose=0), before, rtol=1e-5, atol=1e-5)


def test_handsons_own_files_keep_the_matrices(tmp_path, both):
    case, (net, _) = pair(both, "Conv2D", 2)
    (x,) = case.inputs(6)
    net.save(tmp_path / "net.handson")
    net.save_weights(tmp_path / "net.safetensors")
    again = handson.load(tmp_path / "net.handson")
    for one, two in zip(net.weights, again.weights, strict=True):
        assert torch.equal(one, two)
        assert one.requires_grad == two.requires_grad
    other = case.net(Ours)
    for layer in adapted(other):
        layer.enable_lora(again.layers[1].lora_rank, again.layers[1].lora_alpha)
    other.load_weights(tmp_path / "net.safetensors")
    assert np.array_equal(other.predict(x), net.predict(x))


def test_whole_hdf5_files_are_read_both_ways_unless_keras_would_read_others(both, tmp_path):
    nets = []
    for of in both:
        net = of.Sequential([of.Input((3,)), of.layers.Dense(2, lora_rank=2), of.layers.Dense(1)])
        net.layers[0].lora_kernel_b.assign(np.ones((2, 2)))
        nets.append(net)
    x = np.ones((2, 3), "float32")
    for number, net in enumerate(nets):
        net.save(tmp_path / f"{number}.h5")
        assert_same_outputs(both[1 - number].load(tmp_path / f"{number}.h5"), net, x)
    nets[0].layers[1].enable_lora(1, lora_alpha=3)
    with pytest.raises(HandsonError, match=r"lora_alpha=3, which Keras forgets.*'\.keras'"):
        nets[0].save(tmp_path / "2.h5")


def test_a_layer_can_be_made_with_matrices():
    layer = layers.Dense(4, kernel_regularizer="l2", lora_rank=2, lora_alpha=8)
    assert not layer.lora_enabled
    layer.build((None, 3))
    assert layer.lora_enabled
    assert (layer.lora_kernel_a.shape, layer.lora_kernel_b.shape) == ((3, 2), (2, 4))
    assert {key: layer.get_config()[key] for key in ("lora_rank", "lora_alpha")} == {"lora_rank": 2, "lora_alpha": 8}
    assert layer.weight_regularizers.keys() == {"kernel", "lora_kernel_a", "lora_kernel_b"}
    assert len(layer.losses) == 2, "a frozen kernel costs nothing"
    twin = layers.Dense.from_config(layer.get_config())
    twin.build((None, 3))
    assert (twin.lora_enabled, twin.lora_alpha) == (True, 8)
    with torch.no_grad():
        layer.lora_kernel_b += 1
    expected = layer._own("kernel") + 4 * layer.lora_kernel_a @ layer.lora_kernel_b
    assert torch.equal(layer.kernel, expected)
    assert torch.equal(copy.deepcopy(layer)(torch.eye(3)), expected)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "mixed_bfloat16"])
def test_matrices_are_float32_beside_kernels_of_any_type(keras, dtype):
    found = []
    for of in (layers, keras.layers):
        layer = of.Dense(4, dtype=dtype, lora_rank=2)
        layer.build((None, 3))
        layer.set_weights([np.full(weight.shape, 0.3) for weight in layer.weights])
        y = layer(np.ones((2, 3), "float32"))
        found.append((str(y.dtype), [str(weight.dtype).removeprefix("torch.") for weight in layer.weights], y.detach()))
    assert found[0][:2] == found[1][:2]
    np.testing.assert_allclose(found[0][2].double(), found[1][2].double(), rtol=1e-2 if "16" in dtype else 1e-6)


def test_a_kernel_with_matrices_stays_frozen_whatever_thaws_the_net():
    net = handson.Sequential([layers.Dense(4, input_dim=3), layers.Dense(1)])
    net.layers[0].enable_lora(1)
    for value in (False, True):
        net.trainable = value
        net.layers[0].trainable = value
        assert [weight.requires_grad for weight in net.layers[0].weights] == [False, value, value, value]
    net.layers[1].trainable = False
    net.layers[1].enable_lora(1)
    assert not net.layers[1].trainable_weights
    assert net.layers[1].trainable is False


def test_engines_compute_with_the_product_or_decline(rng):
    x, y = rng.normal(size=(20, 8, 8, 1)).astype("float32"), rng.normal(size=(20, 1)).astype("float32")
    ends = []
    for engine in ("blocks", "eager"):
        parts = [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(1)]
        net = handson.Sequential([handson.Input((8, 8, 1)), *parts], seed=3)
        net.compile("adam", "mse")
        net.layers[0].enable_lora(2, b_initializer="ones")
        net.fit(x, y, epochs=3, verbose=0, engine=engine)
        ends.append(net.get_weights())
    for one, two in zip(*ends, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
    net = handson.Sequential([layers.Dense(8, input_dim=6, lora_rank=2)])
    net.compile("adam", "mse")
    with pytest.raises(HandsonError, match="does not support low-rank matrices, which the layer dense"):
        net.fit(np.ones((20, 6)), np.ones((20, 8)), verbose=0, engine="dense")


def test_what_cannot_be_adapted_says_why():
    layer = layers.Dense(3, kernel_constraint="non_neg")
    with pytest.raises(NotBuiltError, match=r"no kernel to adapt.*lora_rank"):
        layer.enable_lora(2)
    layer.build((None, 2))
    with pytest.raises(HandsonError, match="without kernel_constraint"):
        layer.enable_lora(2)
    layer = layers.Embedding(3, 2, lora_rank=1)
    layer.build((None, 2))
    with pytest.raises(HandsonError, match="already, of rank 1"):
        layer.enable_lora(2)
    with pytest.raises(HandsonError, match="rank must be a positive whole number"):
        layers.Conv2D(3, 2, lora_rank=0)
    with pytest.raises(AttributeError):
        _ = layers.Dense(2).kernel
