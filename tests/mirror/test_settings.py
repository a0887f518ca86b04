"""Settings, names of one's own, images of applications, and other small parts of the mirror."""

import json

import numpy as np
import pytest
import torch

from handson import keras as mirrored
from handson.core import registry
from handson.core.errors import HandsonError


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """What a test registers is gone after it."""
    for kind in list(registry._entries):
        registry.known(kind)
    monkeypatch.setattr(registry, "_entries", {kind: dict(known) for kind, known in registry._entries.items()})
    monkeypatch.setattr(registry, "_names", dict(registry._names))


@pytest.mark.parametrize("name", ["floatx", "epsilon", "image_data_format", "backend"])
def test_settings_are_those_of_keras_on_torch(keras, name):
    assert getattr(mirrored.config, name)() == getattr(keras.config, name)()


@pytest.mark.parametrize(
    ("name", "held", "other"),
    [
        ("set_epsilon", 1e-7, 1e-3),
        ("set_image_data_format", "channels_last", "channels_first"),
        ("set_backend", "torch", "jax"),
        ("set_max_epochs", None, 3),
        ("set_max_steps_per_epoch", None, 3),
    ],
)
def test_a_setting_can_be_set_to_what_holds_alone(name, held, other):
    getattr(mirrored.config, name)(held)
    with pytest.raises(HandsonError, match=r"it is .*\."):
        getattr(mirrored.config, name)(other)


@pytest.mark.parametrize(
    "name", ["disable_interactive_logging", "enable_traceback_filtering", "enable_unsafe_deserialization"]
)
def test_what_cannot_be_switched_is_refused(name):
    with pytest.raises(HandsonError, match=name):
        getattr(mirrored.config, name)()


def test_flash_attention_is_torchs():
    before = mirrored.config.is_flash_attention_enabled()
    mirrored.config.disable_flash_attention()
    assert not torch.backends.cuda.flash_sdp_enabled()
    mirrored.config.enable_flash_attention()
    assert torch.backends.cuda.flash_sdp_enabled()
    torch.backends.cuda.enable_flash_sdp(before)


def test_policies_are_those_of_keras(keras):
    for name in ("float32", "bfloat16", "mixed_bfloat16", "mixed_float16"):
        ours, theirs = mirrored.dtype_policies.get(name), keras.dtype_policies.get(name)
        assert (ours.name, ours.compute_dtype) == (theirs.name, theirs.compute_dtype)
        assert ours.variable_dtype == theirs.variable_dtype
        assert mirrored.dtype_policies.deserialize(mirrored.dtype_policies.serialize(ours)) == ours
    assert mirrored.mixed_precision.Policy is mirrored.DTypePolicy


@pytest.mark.parametrize(
    "name", ["vgg16", "resnet", "resnet_v2", "mobilenet_v2", "densenet", "efficientnet", "xception"]
)
@pytest.mark.parametrize("kind", ["array", "integers", "tensor"])
def test_images_are_prepared_as_for_nets_of_keras(keras, rng, name, kind):
    images = rng.uniform(0, 255, (2, 4, 5, 3)).astype("uint8" if kind == "integers" else "float32")
    expected = getattr(keras.applications, name).preprocess_input(images.copy())
    given = torch.as_tensor(images) if kind == "tensor" else images
    kept = images.copy()
    found = getattr(mirrored.applications, name).preprocess_input(given)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-5, atol=1e-4)
    assert (images == kept).all()


def test_images_of_symbols_and_with_channels_first_are_prepared(keras, rng):
    x = mirrored.Input((4, 4, 3))
    net = mirrored.Model(x, mirrored.applications.vgg16.preprocess_input(x))
    images = rng.uniform(0, 255, (2, 4, 4, 3)).astype("float32")
    expected = keras.applications.vgg16.preprocess_input(images.copy())
    np.testing.assert_allclose(net.predict(images), expected, atol=1e-3)
    first = images.transpose(0, 3, 1, 2)
    for mode in ("caffe", "torch", "tf"):
        expected = keras.applications.imagenet_utils.preprocess_input(first.copy(), "channels_first", mode)
        found = mirrored.applications.imagenet_utils.preprocess_input(first, "channels_first", mode)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    with pytest.raises(HandsonError, match="'caffe', 'tf', 'torch'"):
        mirrored.applications.imagenet_utils.preprocess_input(first, mode="jpeg")


def test_classes_are_read_from_the_file_of_keras(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    chances = np.zeros((1, 1000))
    chances[0, [7, 9]] = 0.3, 0.7
    with pytest.raises(HandsonError, match=r"imagenet_class_index\.json"):
        mirrored.applications.vgg16.decode_predictions(chances)
    (tmp_path / "models").mkdir()
    names = {str(place): [f"n{place}", f"thing {place}"] for place in range(1000)}
    (tmp_path / "models" / "imagenet_class_index.json").write_text(json.dumps(names))
    found = mirrored.applications.vgg16.decode_predictions(chances, top=2)
    assert found == [[("n9", "thing 9", 0.7), ("n7", "thing 7", 0.3)]]
    with pytest.raises(HandsonError, match="1000"):
        mirrored.applications.vgg16.decode_predictions(np.zeros((1, 10)))


def test_a_class_of_ones_own_is_known_by_name_and_package():
    @mirrored.saving.register_keras_serializable("mine")
    class Doubled(mirrored.layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    again = mirrored.saving.deserialize_keras_object(mirrored.saving.serialize_keras_object(Doubled(name="d")))
    assert (type(again), again.name) == (Doubled, "d")
    assert registry.find("layer", "mine>Doubled") is Doubled


def test_a_name_of_handson_may_be_that_of_a_class_in_a_package():
    @mirrored.utils.register_keras_serializable("mine")
    class Dense(mirrored.layers.Layer):
        def call(self, inputs):
            return inputs

    assert registry.find("layer", "mine>Dense") is Dense
    assert registry.find("layer", "Dense") is mirrored.layers.Dense


def test_a_function_of_ones_own_is_a_loss_or_an_activation_by_name():
    @mirrored.saving.register_keras_serializable()
    def cubed(y_true, y_pred):
        return (y_true - y_pred).abs() ** 3

    assert mirrored.losses.get("cubed")(torch.zeros(2, 1), torch.full((2, 1), 2.0)).item() == 8


def test_what_is_no_noun_cannot_be_registered():
    with pytest.raises(HandsonError, match="no layer, loss"):
        mirrored.saving.register_keras_serializable()(type("Plain", (), {}))


def test_names_last_as_long_as_their_block():
    with mirrored.saving.custom_object_scope({"halved": lambda x: x / 2}):
        assert mirrored.layers.Activation("halved")(torch.ones(1, 1)).item() == 0.5
    with pytest.raises(HandsonError, match="unknown activation"):
        mirrored.layers.Activation("halved")(torch.ones(1, 1))
    own = registry.find("activation", "relu")
    with mirrored.utils.CustomObjectScope({"relu": lambda x: x - 1}):
        assert mirrored.activations.get("relu")(1) == 0
    assert registry.find("activation", "relu") is own


def test_names_that_are_added_stay():
    mirrored.utils.get_custom_objects()["less"] = lambda x: x - 1
    assert mirrored.activations.get("less")(3) == 2
    assert "less" in mirrored.utils.get_custom_objects()
    with pytest.raises(HandsonError, match="stays registered"):
        del mirrored.utils.get_custom_objects()["less"]


@pytest.mark.parametrize(
    "made",
    [
        lambda: mirrored.losses.MeanSquaredError(reduction="sum"),
        lambda: mirrored.optimizers.Adam(0.5),
        lambda: mirrored.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9),
        lambda: mirrored.regularizers.L2(0.1),
        lambda: mirrored.layers.Dense(3, activation="relu", kernel_regularizer="l2", dtype="float32"),
    ],
)
def test_objects_are_made_again_from_their_description(made):
    described = mirrored.saving.serialize_keras_object({"a": [made(), (1, None)]})
    again = mirrored.saving.deserialize_keras_object(json.loads(json.dumps(described)))
    assert again["a"][0].get_config() == made().get_config()


def test_arrays_and_tensors_are_described():
    described = mirrored.saving.serialize_keras_object([np.arange(3), torch.ones(2)])
    array, tensor = mirrored.saving.deserialize_keras_object(described)
    assert isinstance(tensor, torch.Tensor)
    assert (array.tolist(), tensor.tolist()) == ([0, 1, 2], [1, 1])


def test_a_description_of_keras_itself_is_understood(keras):
    theirs = keras.saving.serialize_keras_object(keras.regularizers.L1L2(0.1, 0.2))
    ours = mirrored.saving.deserialize_keras_object(theirs)
    assert (ours.l1, ours.l2) == (pytest.approx(0.1), pytest.approx(0.2))


@pytest.mark.parametrize("data", [1, (1,), (1, 2), (1, 2, 3), [1, 2]])
def test_data_are_packed_and_unpacked_as_in_keras(keras, data):
    unpacked = mirrored.utils.unpack_x_y_sample_weight(data)
    assert unpacked == keras.utils.unpack_x_y_sample_weight(data)
    assert mirrored.utils.pack_x_y_sample_weight(*unpacked) == keras.utils.pack_x_y_sample_weight(*unpacked)


def test_settings_of_ones_own_are_attributes_and_entries():
    config = mirrored.utils.Config(a=1)
    config.update(b=2)
    config["c"] = 3
    assert (config.c, len(config), "b" in config, sorted(config.keys())) == (3, 3, True, ["a", "b", "c"])


def test_a_function_of_symbols_computes_on_values_and_on_symbols(keras):
    def both(of):
        a, b = of.KerasTensor((None, 3)), of.KerasTensor((None, 3))
        return of.Function({"a": a, "b": b}, {"sum": a + 2 * b, "product": of.ops.multiply(a, b)})

    given = {"b": np.ones((2, 3), "float32"), "a": np.full((2, 3), 3.0, "float32")}
    ours, theirs = both(mirrored), both(keras)
    for name, value in theirs(given).items():
        np.testing.assert_allclose(ours(given)[name], value)
    assert ours({name: mirrored.KerasTensor((4, 3)) for name in "ab"})["sum"].shape == (4, 3)
    assert len(ours.inputs) == len(ours.outputs) == 2
    with pytest.raises(HandsonError, match="takes a dictionary with the keys 'a', 'b'; got list"):
        ours([given["a"]])
