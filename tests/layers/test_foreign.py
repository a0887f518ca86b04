"""Modules of PyTorch as layers."""

import numpy as np
import pytest
import torch
from torch import nn

import handson
from handson import Sequential
from handson.core.errors import HandsonError
from handson.graph import logits
from handson.layers import Activation, Dense
from handson.layers.foreign import TorchModuleWrapper

IMAGES = [
    nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(2), nn.BatchNorm2d(3),
    nn.GroupNorm(3, 3), nn.Upsample(scale_factor=2), nn.ConvTranspose2d(3, 2, 2), nn.ZeroPad2d(1), nn.PixelUnshuffle(2),
    nn.InstanceNorm2d(3), nn.Dropout2d(0.5),
]  # fmt: skip


class Swapped(nn.Module):
    """A module of one's own on images."""

    def forward(self, x):
        return x.transpose(2, 3)


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


def images(rows=2):
    return torch.tensor(np.random.default_rng(0).normal(size=(rows, 8, 6, 3)), dtype=torch.float32)


@pytest.mark.parametrize("module", IMAGES, ids=lambda module: type(module).__name__)
def test_modules_for_images_see_them_channels_first(module):
    layer, x = TorchModuleWrapper(module).eval(), images()
    y = layer(x)
    expected = module(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert torch.equal(y, expected)
    assert layer.output_shape((None, 8, 6, 3)) == (None, *y.shape[1:])


@pytest.mark.parametrize("module", [nn.Linear(3, 4), nn.ReLU(), nn.LayerNorm(3), nn.Flatten(), nn.Dropout(0.5)])
def test_other_modules_see_what_comes(module):
    layer, x = TorchModuleWrapper(module).eval(), images()
    assert torch.equal(layer(x), module(x))
    assert layer.output_shape((None, 8, 6, 3)) == (None, *module(x).shape[1:])


@pytest.mark.parametrize("channels_first", [None, False, True])
def test_an_own_module_says_itself_which_view_it_wants(channels_first):
    x = images()
    y = TorchModuleWrapper(Swapped(), channels_first)(x)
    expected = x.transpose(2, 3) if not channels_first else x.transpose(1, 2)
    assert torch.equal(y, expected)


def test_vectors_are_never_permuted():
    x = torch.randn(5, 3)
    layer = TorchModuleWrapper(nn.GroupNorm(3, 3))
    assert torch.equal(layer(x), nn.GroupNorm(3, 3)(x))


def test_lazy_modules_make_their_weights_when_built():
    layer = TorchModuleWrapper(nn.LazyLinear(4))
    layer.ensure_built((None, 7))
    assert [tuple(weight.shape) for weight in layer.weights] == [(4, 7), (4,)]
    assert layer.count_params() == 32


def test_building_changes_no_statistics_and_no_mode():
    layer = TorchModuleWrapper(nn.BatchNorm2d(3))
    layer.train()
    layer.ensure_built((None, 8, 6, 3))
    layer.output_shape((None, 8, 6, 3))
    assert layer.module.num_batches_tracked.item() == 0
    assert layer.module.training


def test_an_unknown_size_stays_unknown():
    layer = TorchModuleWrapper(nn.Conv2d(3, 8, 3))
    layer.ensure_built((None, None, 6, 3))
    assert layer.output_shape((None, None, 6, 3)) == (None, None, 4, 8)


def test_weights_are_those_of_the_module_and_can_be_set():
    layer = TorchModuleWrapper(nn.BatchNorm2d(3))
    layer.ensure_built((None, 8, 6, 3))
    other = nn.BatchNorm2d(3)
    nn.init.normal_(other.weight)
    other.running_mean += 3
    layer.set_weights([value.numpy() for value in other.state_dict().values()])
    x = images()
    assert torch.equal(layer.eval()(x), other.eval()(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


def test_initial_weights_are_the_modules_own():
    module = nn.Linear(3, 4)
    before = module.weight.detach().clone()
    layer = TorchModuleWrapper(module)
    layer.ensure_built((None, 3), 5)
    layer.draw_again(6)
    assert torch.equal(module.weight, before)


def test_a_frozen_module_does_not_train():
    layer = TorchModuleWrapper(nn.Linear(3, 4), trainable=False)
    layer.ensure_built((None, 3))
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    layer.trainable = True
    assert all(parameter.requires_grad for parameter in layer.parameters())


def test_a_net_wraps_modules_by_itself_and_trains_them():
    module = nn.Linear(3, 4)
    before = module.weight.detach().clone()
    net = handson.Sequential([module, nn.ReLU(), handson.layers.Dense(1)], seed=0)
    net.compile("sgd", "mse")
    net.fit(np.random.default_rng(0).normal(size=(8, 3)), np.ones(8), epochs=1, verbose=0)
    assert not torch.equal(module.weight, before)
    assert [layer.name for layer in net.layers] == ["linear", "re_lu", "dense"]


def test_a_name_may_be_given():
    assert TorchModuleWrapper(nn.Linear(3, 4)).name == "linear"
    assert TorchModuleWrapper(nn.Linear(3, 4), name="first").name == "first"


def test_what_is_no_module_is_an_error():
    with pytest.raises(
        HandsonError, match=r"a layer is a handson layer or a torch\.nn\.Module; got <built-in function abs>"
    ):
        TorchModuleWrapper(abs)


def test_inputs_that_a_module_does_not_take_are_an_error():
    with pytest.raises(
        HandsonError, match=r"^Linear 'linear' does not take inputs of shape \(None, 5\): mat1 and mat2"
    ):
        TorchModuleWrapper(nn.Linear(3, 4)).ensure_built((None, 5))


def test_a_module_that_gives_several_tensors_is_an_error():
    with pytest.raises(HandsonError, match=r"^LSTM 'lstm' gives tuple; a layer gives one tensor\."):
        TorchModuleWrapper(nn.LSTM(3, 4)).ensure_built((None, 5, 3))


def test_a_module_of_two_inputs_is_an_error():
    with pytest.raises(HandsonError, match=r"^Two 'two' does not take inputs of shape \(None, 5\)"):
        TorchModuleWrapper(Two()).ensure_built((None, 5))


def test_a_module_cannot_be_described_by_a_file():
    with pytest.raises(HandsonError) as error:
        TorchModuleWrapper(nn.Linear(3, 4)).get_config()
    text = str(error.value)
    assert text.startswith("layer 'linear' is a Linear of PyTorch, which a file cannot describe: files hold no code.")
    assert "save_weights()" in text
    assert "@handson.register" in text


# A loss takes the logits of what torch makes probabilities of


ENDS = {
    "a module": lambda units: [Dense(units), nn.Softmax(-1) if units > 1 else nn.Sigmoid()],
    "a stack": lambda units: [nn.Sequential(nn.Linear(4, units), nn.Softmax(dim=1) if units > 1 else nn.Sigmoid())],
    "a linear activation behind": lambda units: [
        Dense(units, activation="softmax" if units > 1 else "sigmoid"), Activation("linear")
    ],
}  # fmt: skip


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("end", ENDS)
def test_badly_wrong_rows_have_a_gradient(end, units):
    x = np.eye(4, dtype=np.float32) * 1e4
    y = np.arange(4) % 3 if units > 1 else np.array([0.0, 1.0, 0.0, 1.0])
    net = Sequential(ENDS[end](units), seed=0)
    net.compile("sgd", "sparse_categorical_crossentropy" if units > 1 else "binary_crossentropy")
    net.predict(x)
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(torch.linspace(-1, 1, weight.numel()).reshape(weight.shape))
    before = net.predict(x)
    assert net.evaluate(x, y) > 100
    net.fit(x, y, batch_size=4, verbose=0)
    assert not np.array_equal(net.predict(x), before)


def test_a_softmax_of_torch_over_another_axis_has_no_logits():
    net = Sequential([Dense(3), nn.Softmax(0)])
    assert not hasattr(net(torch.ones(2, 4)), logits.LOGITS)
