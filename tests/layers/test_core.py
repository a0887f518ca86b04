"""Core layers, and what every layer inherits: names, shapes, weights, errors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import initializers
from handson.core.errors import HandsonError, NotBuiltError
from handson.layers import Activation, Dense, Flatten, Input, InputLayer, Layer, Rescaling, Reshape
from handson.layers.base import check_name, compatible
from handson.layers.convolution import Conv2D

SIZES = st.integers(1, 6)
SAMPLES = st.lists(SIZES, min_size=1, max_size=4).map(tuple)


def numbers(shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


class Scale(Layer):
    """A layer of one's own: a weight of each kind."""

    def build(self, input_shape):
        self.factor = self.add_weight((input_shape[-1],), "ones", name="factor", regularizer="l2")
        self.seen = self.add_weight((1,), "zeros", name="seen", trainable=False)
        self.offset = self.add_weight((input_shape[-1],), "zeros", name="offset")

    def forward(self, x):
        return x * self.factor + self.offset


@settings(max_examples=25, deadline=None)
@given(sample=SAMPLES, units=SIZES, bias=st.booleans(), activation=st.sampled_from([None, "relu", "tanh"]))
def test_dense_is_a_matrix_product_over_the_last_axis(sample, units, bias, activation):
    layer = Dense(units, activation=activation, use_bias=bias, bias_initializer="random_normal")
    x = numbers((3, *sample))
    actual = layer(x).detach()
    kernel, offset = [*layer.get_weights(), 0.0][:2]
    expected = np.tensordot(x.numpy(), kernel, 1) + offset
    expected = {None: lambda z: z, "relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}[activation](expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    assert layer.output_shape((None, *sample)) == (None, *expected.shape[1:])


@pytest.mark.parametrize("regularizer", ["l1", "l2", {"L1L2": {"l1": 0.1, "l2": 0.2}}])
def test_penalties_are_those_of_keras(keras, regularizer):
    ours = Dense(3, kernel_regularizer=regularizer, bias_regularizer="l2", bias_initializer="ones")
    given = keras.regularizers.L1L2(0.1, 0.2) if isinstance(regularizer, dict) else regularizer
    theirs = keras.layers.Dense(3, kernel_regularizer=given, bias_regularizer="l2")
    ours.ensure_built((None, 4))
    theirs.build((None, 4))
    theirs.set_weights(ours.get_weights())
    actual = [penalty.item() for penalty in ours.penalties()]
    assert actual == pytest.approx([penalty.item() for penalty in theirs.losses], rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(sample=SAMPLES)
def test_flatten_keeps_the_order_of_channels_last(sample):
    x = torch.arange(2.0 * np.prod(sample)).reshape(2, *sample)
    assert torch.equal(Flatten()(x), torch.tensor(x.numpy().reshape(2, -1)))


def test_flatten_of_an_unknown_size_is_unknown():
    assert Flatten().output_shape((None, None, 3)) == (None, None)
    assert Flatten().output_shape((None,)) == (None, 1)


@settings(max_examples=25, deadline=None)
@given(sample=SAMPLES, data=st.data())
def test_reshape_keeps_the_values_in_order(sample, data):
    target = list(data.draw(st.permutations(sample)))
    if data.draw(st.booleans()):
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    x = numbers((3, *sample))
    layer = Reshape(tuple(target))
    assert np.array_equal(layer(x), x.numpy().reshape(3, *target))
    assert layer.output_shape((None, *sample)) == (None, *layer(x).shape[1:])


def test_reshape_of_an_unknown_size_is_unknown_where_it_is_left_open():
    assert Reshape((2, -1)).output_shape((None, None, 3)) == (None, 2, None)


def test_reshape_of_no_rows_gives_no_rows():
    assert Reshape((2, -1))(torch.zeros(0, 6)).shape == (0, 2, 3)


@pytest.mark.parametrize("target", [(4,), (4, -1), (2, 2)])
def test_reshape_into_another_number_of_values_is_an_error(target):
    with pytest.raises(HandsonError) as error:
        Reshape(target, name="fold").output_shape((None, 6))
    assert str(error.value) == f"Reshape 'fold' cannot make {target} of (6,): 6 values a sample."


@pytest.mark.parametrize("target", [(-1, -1), (0, 3), (-2, 3)])
def test_a_target_shape_that_makes_no_sense_is_an_error(target):
    with pytest.raises(HandsonError, match="target_shape has positive sizes and at most one -1; got "):
        Reshape(target)


@pytest.mark.parametrize("target", [6, (2.0, 3), "6"])
def test_a_target_shape_that_is_none_is_an_error(target):
    with pytest.raises(HandsonError, match="target_shape"):
        Reshape(target)


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0.0), (2.0, -1.0), ([1.0, 2.0, 3.0], [0.5, 0.0, -0.5])])
def test_rescaling_is_linear(scale, offset):
    x = numbers((2, 4, 4, 3))
    np.testing.assert_allclose(Rescaling(scale, offset)(x), x.numpy() * scale + offset, rtol=1e-5, atol=1e-6)


def test_rescaling_has_no_weights():
    layer = Rescaling([1.0, 2.0])
    layer(torch.ones(3, 2))
    assert layer.weights == []
    assert layer.state_dict() == {}


def test_rescaling_of_another_number_of_channels_is_an_error():
    with pytest.raises(HandsonError) as error:
        Rescaling([1.0, 2.0], name="scale")(torch.ones(1, 3))
    assert (
        str(error.value) == "Rescaling 'scale': scale is one number or one for each of the 3 channels; got 2 of them."
    )


def test_an_activation_layer_applies_its_function():
    assert Activation(torch.square)(torch.tensor([[3.0]])).item() == 9.0


def test_an_input_passes_its_inputs_on():
    x = torch.ones(2, 3)
    assert InputLayer((3,))(x) is x
    assert Input((None, 3), name="series").shape == (None, None, 3)
    assert Input((3,), name="series").name == "series"
    assert Input((3,), batch_size=5, dtype="int32").shape == Input(batch_shape=(5, 3)).shape == (5, 3)
    assert Input((3,), dtype="int32").dtype is torch.int32


def test_an_input_needs_a_shape():
    with pytest.raises(HandsonError, match=r"Input needs the shape of one sample, such as Input\(\(28, 28, 1\)\)\."):
        InputLayer()


@pytest.mark.parametrize("units", [0, -1, 2.0, True, None, "3"])
def test_a_number_of_units_that_is_not_positive_is_an_error(units):
    with pytest.raises(HandsonError, match=rf"Dense: units must be a positive whole number; got {units!r}\."):
        Dense(units)


def test_a_number_of_units_may_be_of_numpy():
    assert Dense(np.int64(3)).units == 3


@pytest.mark.parametrize("shape", [(None,), (None, 4, None)])
def test_dense_needs_the_number_of_features(shape):
    with pytest.raises(HandsonError, match=r"Dense 'dense' needs the number of input features; got the shape \(None"):
        Dense(3).ensure_built(shape)


def test_a_misspelt_argument_gets_its_nearest():
    with pytest.raises(TypeError, match=r"Dense has no argument 'activaton'\. Did you mean 'activation'\?"):
        Dense(3, activaton="relu")


@pytest.mark.parametrize("dtype", ["float32", torch.float32, None])
def test_a_layer_of_float32_can_be_described(dtype):
    config = Dense(3, dtype=dtype).get_config()
    assert Dense.from_config(config).units == 3


@pytest.mark.parametrize("name", ["", "-a", "a" * 129, 3, "../x", "a\n", "a\0"])
def test_a_name_that_cannot_be_one_is_an_error(name):
    with pytest.raises(HandsonError) as error:
        Dense(3, name=name)
    text = str(error.value)
    assert text.startswith("a layer's name has 1 to 128 printable characters")
    assert text.endswith(f"got {name!r}.")


@pytest.mark.parametrize("name", ["a", "_a", "conv-1_b", "A" * 128, "class", "a b", "conv1_7x7/2", "a.b", "größe"])
def test_a_name_that_can_be_one_is_taken(name):
    assert check_name(name) == name


def test_names_of_any_characters_are_those_of_outputs_files_and_look_ups(tmp_path):
    x = Input((3,), name="the input")
    hidden = Dense(4, name="conv1_7x7/2")(x)
    net = handson.Model({"the input": x}, [Dense(1, name="output layer")(hidden), Dense(1, name="b.c")(hidden)])
    net.compile("sgd", {"output layer": "mse", "b.c": "mae"}, loss_weights={"b.c": 0.5})
    data, targets = {"the input": np.ones((4, 3))}, {"output layer": np.ones(4), "b.c": np.ones(4)}
    history = net.fit(data, targets, verbose=0).history
    assert {"output layer_loss", "b.c_loss"} <= history.keys()
    assert net.get_layer("conv1_7x7/2") is net.get_layer("conv1_7x7_2")
    for ending in ("handson", "keras"):
        net.save(tmp_path / f"net.{ending}")
        again = handson.load(tmp_path / f"net.{ending}")
        np.testing.assert_array_equal(again.predict(data, verbose=0)[0], net.predict(data, verbose=0)[0])
    assert [layer.name for layer in handson.load(tmp_path / "net.handson").layers][1] == "conv1_7x7/2"


def test_input_dim_is_short_for_an_input_shape():
    assert Dense(3, input_dim=4).given_input_shape == Dense(3, input_shape=(4,)).given_input_shape == (None, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (3,), "input_dim": 3}, r"give input_shape or input_dim, not both\."),
        ({"input_shape": 3}, r"input_shape is a tuple, such as \(3,\); got 3\."),
        ({"input_shape": (3, 0)}, r"the sizes of input_shape are positive whole numbers or None; got \(3, 0\)\."),
        ({"input_shape": (3.0,)}, r"positive whole numbers or None; got \(3\.0,\)\."),
        ({"input_shape": (True,)}, r"positive whole numbers or None; got \(True,\)\."),
        ({"input_dim": -1}, r"positive whole numbers or None; got \(-1,\)\."),
    ],
)
def test_an_input_shape_that_makes_no_sense_is_an_error(arguments, message):
    with pytest.raises(HandsonError, match=message):
        Dense(3, **arguments)


def test_weights_are_the_trainable_ones_first():
    layer = Scale()
    layer.ensure_built((None, 2))
    assert [tuple(weight.shape) for weight in layer.weights] == [(2,), (2,), (1,)]
    assert [weight.tolist() for weight in layer.get_weights()] == [[1.0, 1.0], [0.0, 0.0], [0.0]]


def test_an_own_layer_trains_its_weights_and_not_its_buffers():
    layer = Scale()
    layer(torch.ones(1, 2)).sum().backward()
    assert [name for name, _ in layer.named_parameters()] == ["factor", "offset"]
    assert layer.factor.grad.tolist() == [1.0, 1.0]
    assert not layer.seen.requires_grad


def test_get_weights_gives_copies():
    layer = Dense(2, input_dim=2)
    layer.ensure_built((None, 2))
    layer.get_weights()[0][:] = 7
    assert not (layer.get_weights()[0] == 7).any()


def test_set_weights_copies():
    layer, kernel = Dense(1, use_bias=False), np.ones((2, 1), "float32")
    layer.ensure_built((None, 2))
    layer.set_weights([kernel])
    kernel[:] = 7
    assert (layer.get_weights()[0] == 1).all()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([np.zeros((3, 2))], r"'dense' has 2 weights; got 1 arrays\."),
        ([np.zeros((3, 2)), np.zeros(3)], r"weight 1 of 'dense' has shape \(2,\); got an array of \(3,\)\."),
        ([np.zeros((2, 3)), np.zeros(2)], r"weight 0 of 'dense' has shape \(3, 2\); got an array of \(2, 3\)\."),
    ],
)
def test_weights_that_do_not_fit_change_nothing(weights, message):
    layer = Dense(2, bias_initializer="ones")
    layer.ensure_built((None, 3))
    before = layer.get_weights()
    with pytest.raises(HandsonError, match=message):
        layer.set_weights(weights)
    assert all(np.array_equal(one, two) for one, two in zip(layer.get_weights(), before, strict=True))


def test_an_unbuilt_layer_has_no_number_of_values():
    with pytest.raises(NotBuiltError, match=r"layer 'dense' is not built yet: its input shape is not known\."):
        Dense(3).count_params()


def test_a_built_layer_takes_no_other_shape():
    layer = Dense(3)
    layer.ensure_built((None, 4))
    layer.ensure_built((7, 4))
    with pytest.raises(
        HandsonError, match=r"layer 'dense' was built for inputs of shape \(None, 4\) and cannot take \(None, 5\)"
    ):
        layer.ensure_built((None, 5))


@pytest.mark.parametrize(
    ("expected", "got", "fits"),
    [
        ((None, 3), (None, 3), True),
        ((None, None, 3), (None, 7, 3), True),
        ((None, 7, 3), (None, None, 3), True),
        ((None, 3), (None, 4), False),
        ((None, 3), (None, 3, 1), False),
    ],
)
def test_none_fits_every_size(expected, got, fits):
    assert compatible(expected, got) is fits


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5, 6)])
def test_another_number_of_axes_is_an_error(shape):
    with pytest.raises(
        HandsonError, match=r"Conv2D 'conv2d' takes inputs of shape \(batch, height, width, channels\); got "
    ):
        Conv2D(1, 1).ensure_built((None, *shape[1:]))


def test_grey_images_without_a_channel_axis_get_a_hint():
    with pytest.raises(
        HandsonError, match=r"got \(None, 28, 28\)\. Grey images need a channel axis: x\[\.\.\., None\]\."
    ):
        Conv2D(1, 1).ensure_built((None, 28, 28))


def test_an_initializer_may_be_a_function_of_the_shape():
    layer = Dense(2, kernel_initializer=lambda shape: torch.full(shape, 0.5))
    assert layer(torch.ones(1, 3)).tolist() == [[1.5, 1.5]]


def test_an_initializer_of_another_shape_is_an_error():
    layer = Dense(2, kernel_initializer=lambda shape: torch.zeros(1))
    with pytest.raises(HandsonError, match=r"kernel.*\(3, 2\).*\(1,\)"):
        layer.ensure_built((None, 3))


def test_weights_of_one_layer_have_keys_of_their_own():
    layer = Dense(5, bias_initializer="random_normal", kernel_initializer="random_normal")
    layer.ensure_built((None, 1))
    kernel, bias = layer.get_weights()
    assert not np.isclose(kernel[0], bias).any()


def test_a_seed_of_the_initializer_wins_over_the_key():
    layers = [Dense(2, kernel_initializer=initializers.HeNormal(seed=1)) for _ in range(2)]
    for key, layer in enumerate(layers):
        layer.ensure_built((None, 3), key)
    assert np.array_equal(layers[0].get_weights()[0], layers[1].get_weights()[0])


def test_the_text_of_a_layer_shows_what_was_given():
    assert repr(Dense(3, activation="relu")) == "Dense(units=3, activation='relu')"


def test_a_layer_runs_on_the_device_of_its_input():
    layer = Dense(3)
    assert layer(torch.ones(2, 2, device="meta")).device.type == "meta"


def test_penalties_belong_to_the_weights_that_have_them():
    layer = Scale()
    layer.ensure_built((None, 4))
    assert [penalty.item() for penalty in layer.penalties()] == pytest.approx([0.04])


def test_a_layer_of_ones_own_works_in_a_net():
    net = handson.Sequential([Scale(input_dim=3), Dense(1)], seed=0)
    assert net.count_params() == 3 + 3 + 1 + 4


def test_a_parametrization_of_torch_takes_the_place_of_a_weight():
    layer = Dense(2, kernel_initializer="ones", bias_initializer="ones")
    layer.build((None, 3))

    class Doubled(torch.nn.Module):
        def forward(self, weight):
            return 2 * weight

    for name in ("kernel", "bias"):
        torch.nn.utils.parametrize.register_parametrization(layer, name, Doubled())
    assert layer(torch.ones(1, 3)).tolist() == [[8.0, 8.0]]


@pytest.mark.parametrize("argument", ["batch_input_shape", "batch_shape"])
@pytest.mark.parametrize("rows", [None, 7])
def test_the_shape_of_a_first_layer_may_be_that_of_a_batch(argument, rows):
    net = handson.Sequential([Dense(4, **{argument: (rows, 3)})])
    assert net.count_params() == 16
    assert net.layers[0].given_batch_size == rows
    config = Dense(4, **{argument: [rows, 3]}).get_config()
    assert Dense.from_config(config).given_input_shape == (None, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_input_shape": (None, 3), "input_shape": (3,)}, "give input_shape or batch_input_shape, not both"),
        ({"batch_input_shape": (None, 3), "input_dim": 3}, "give input_shape or batch_input_shape, not both"),
        ({"batch_input_shape": 3}, r"batch_input_shape is a tuple, such as \(None, 3\); got 3"),
        ({"batch_input_shape": ()}, r"batch_input_shape is a tuple, such as \(None, 3\); got \(\)"),
        ({"batch_input_shape": (None, 0)}, "the sizes of input_shape are positive whole numbers or None"),
    ],
)
def test_shapes_of_batches_that_cannot_be_are_errors(arguments, message):
    with pytest.raises(HandsonError, match=message):
        Dense(4, **arguments)


@pytest.mark.parametrize(
    "make",
    [
        lambda: InputLayer((3,), 7, "int32"),
        lambda: InputLayer(batch_shape=(7, 3), dtype="int32"),
        lambda: InputLayer(batch_input_shape=[7, 3], dtype=np.int32),
        lambda: InputLayer(input_shape=(3,), batch_size=7, dtype=torch.int32),
    ],
)
def test_inputs_are_described_alike_however_they_were_written(make):
    layer = make()
    config = layer.get_config()
    assert config == {"shape": [3], "batch_size": 7, "dtype": "int32", "name": "input_layer"}
    for one in (layer, InputLayer.from_config(config)):
        assert one.symbol().shape == (7, 3)
        assert one.dtype == "int32"


@pytest.mark.parametrize("kind", [{"sparse": True}, {"ragged": True}, {"tensor": torch.ones(1)}, {"optional": True}])
def test_inputs_of_other_kinds_are_refused(kind):
    with pytest.raises(HandsonError, match=f"Input has no {next(iter(kind))}="):
        Input((3,), **kind)


@pytest.mark.parametrize("x", [np.ones((2, 3), "float32"), Input((3,))], ids=["array", "symbol"])
@pytest.mark.parametrize("make", [lambda: Dense(2), lambda: handson.Sequential([Dense(2)])])
def test_a_call_with_an_unknown_argument_is_an_error_on_arrays_and_symbols(make, x):
    with pytest.raises(TypeError, match=r"a call of \w+ '\w+' has no argument 'foo'\. It takes: (x|inputs)\."):
        make()(x, foo=1)
    assert make()(x, training=False, mask=None).shape[1] == 2


def test_the_nearest_argument_of_a_call_is_named():
    with pytest.raises(TypeError, match=r"no argument 'initial_states'\. Did you mean 'initial_state'"):
        handson.layers.LSTM(2)(Input((3, 4)), initial_states=[Input((2,)), Input((2,))])


def test_a_net_takes_symbols_by_the_name_of_its_argument():
    assert handson.Sequential([Dense(2)])(inputs=Input((3,))).shape == (None, 2)


def test_an_activation_may_be_taken_away_or_named_after_the_layer_was_made():
    x = np.array([[-1.0, 2.0]])
    net = handson.Sequential([handson.layers.Dense(2, "softmax", kernel_initializer="identity", input_dim=2)])
    net.layers[-1].activation = None
    assert net.predict(x, verbose=0).tolist() == x.tolist()
    net.layers[-1].activation = "relu"
    assert net.predict(x, verbose=0).tolist() == [[0, 2]]
    assert type(net).from_config(net.get_config()).layers[-1].activation is handson.activations.relu


def test_positions_of_sequences_of_any_length_are_embedded():
    class Positions(handson.layers.Layer):
        def __init__(self):
            super().__init__()
            self.vectors = handson.layers.Embedding(4, 2)

        def call(self, inputs):
            return inputs + self.vectors(handson.ops.arange(inputs.shape[1]))

    x = handson.Input((None, 2))
    net = handson.Model(x, Positions()(x))
    assert net.output_shape == (None, None, 2)
    assert net.predict(np.ones((1, 4, 2)), verbose=0).shape == (1, 4, 2)
    with pytest.raises(HandsonError, match="takes ids from 0 to 3; got 4"):
        net.predict(np.ones((1, 5, 2)), verbose=0)
