"""Nets of Keras: their layers, parameters and outputs, the arguments of their functions, and files of weights."""

import inspect
import json
import subprocess
import sys
import urllib.error
import urllib.request

import h5py
import numpy as np
import pretrained
import pytest

import handson
from handson import applications, layers
from handson.applications.preparation import Preparation
from handson.core.errors import HandsonError
from handson.graph import Symbol

SMALL = {"include_top": False, "pooling": "avg"}
# One of each family, as small as there are. `pretrained.py` compares all of them.
FAMILIES = [
    ("VGG16", {"pooling": "max"} | {"include_top": False}),
    ("ResNet50", {"include_top": False}),
    ("ResNet50V2", SMALL),
    ("MobileNet", {"alpha": 0.25, "classes": 7}),
    ("MobileNet", {"alpha": 0.5, "depth_multiplier": 2, "size": 64} | SMALL),
    ("MobileNetV2", {"alpha": 0.35, "classes": 7, "classifier_activation": None}),
    ("MobileNetV2", {"alpha": 1.4, "size": 45} | SMALL),
    ("MobileNetV3Small", {"alpha": 0.75, "classes": 7}),
    ("MobileNetV3Large", {"alpha": 0.75, "minimalistic": True, "include_preprocessing": False} | SMALL),
    ("Xception", SMALL),
    ("InceptionV3", SMALL),
    ("DenseNet121", SMALL),
    ("EfficientNetB0", {"classes": 7}),
    ("EfficientNetV2B0", {"classes": 7}),
    ("ConvNeXtTiny", SMALL),
    ("NASNetMobile", SMALL),
]


@pytest.mark.parametrize(("name", "arguments"), FAMILIES, ids=[f"{name}-{len(said)}" for name, said in FAMILIES])
def test_a_net_is_that_of_keras(keras, name, arguments):
    pretrained.assert_same(*pretrained.both(keras, name, **arguments))


@pytest.mark.slow
def test_the_net_of_the_most_layers_is_that_of_keras(keras):
    pretrained.assert_same(*pretrained.both(keras, "InceptionResNetV2", **SMALL))


def names():
    return [name for name in applications.__all__ if name[0].isupper()]


def test_all_nets_of_keras_are_here_with_their_arguments(keras):
    theirs = [name for name in dir(keras.applications) if name[0].isupper()]
    assert names() == sorted(theirs)
    for name in theirs:
        parameters = inspect.signature(getattr(keras.applications, name)).parameters.values()
        found = inspect.signature(getattr(applications, name)).parameters.values()
        assert [(one.name, one.default) for one in found] == [(one.name, one.default) for one in parameters], name


@pytest.mark.parametrize("name", names())
def test_a_function_has_a_name_and_says_its_arguments(name):
    function = getattr(applications, name)
    assert function.__name__ == function.__qualname__ == name
    said = inspect.getdoc(function)
    assert all(argument in said for argument in inspect.signature(function).parameters)


# Arguments.


def small(**arguments):
    return applications.MobileNetV2(**{"input_shape": (32, 32, 3), "alpha": 0.35, "weights": None} | arguments)


@pytest.mark.parametrize("shape", [None, (32, 64, 3), (None, None, 1), [40, None, 5]])
def test_without_a_classifier_images_have_any_size_and_any_channels(shape):
    net = small(input_shape=shape, include_top=False)
    assert net.input_shape == (None, *(shape or (None, None, 3)))
    sides = [side or 32 for side in net.input_shape[1:]]
    assert net.predict(np.zeros((2, *sides), "float32")).shape[3] == 1280


def test_an_image_may_be_a_symbol():
    x = layers.Input((32, 32, 3))
    net = small(input_shape=None, input_tensor=applications.mobilenet_v2.preprocess_input(x), include_top=False)
    assert net.inputs == [x]
    assert net.output_shape == (None, 1, 1, 1280)
    assert small(input_shape=(32, 32, 3), input_tensor=x, classes=2).input_shape == (None, 32, 32, 3)


def test_an_image_may_come_of_several_inputs():
    x, y = layers.Input((32, 32, 1)), layers.Input((32, 32, 2))
    net = small(input_shape=None, input_tensor=layers.concatenate([x, y]), include_top=False)
    assert {id(symbol) for symbol in net.inputs} == {id(x), id(y)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pooling": "mean"}, r"pooling is None or one of 'avg', 'max'; got 'mean'\."),
        ({"pooling": "avgg"}, r"Did you mean 'avg'\?"),
        ({"classes": 0}, "classes is a whole number, at least 1; got 0"),
        ({"weights": "imagenett"}, r"there is no file 'imagenett'\. Did you mean 'imagenet'\?"),
        ({"weights": 3}, r"weights is 'imagenet', None or the path of a file; got 3\."),
        ({"weights": "imagenet", "classes": 10}, r"have 1000 classes; got classes=10\. .* Dense\(10\)"),
        ({"weights": "imagenet", "classifier_activation": "relu"}, "'softmax', or None for logits"),
        ({"weights": "imagenet", "input_shape": (32, 32, 3)}, r"input_shape is \(224, 224, 3\); got \(32, 32, 3\)"),
        ({"weights": "imagenet", "alpha": 0.4}, "alpha = 0.35, 0.5, 0.75, 1.0, 1.3, 1.4; got 0.4"),
        ({"input_shape": (32, 32)}, r"height, width and channels, as \(224, 224, 3\); got input_shape=\(32, 32\)"),
        ({"input_shape": (16, 32, 3)}, "at least 32 x 32"),
        ({"input_shape": ("a", 32, 3)}, "side of an image is a whole number"),
        ({"input_shape": (None, None, 3)}, "images of one size"),
        ({"input_tensor": np.zeros((1, 32, 32, 3))}, r"input_tensor is what Input\(...\) .* got ndarray\."),
        ({"input_tensor": Symbol((None, 64, 64, 3))}, "leave out input_shape"),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments, said):
    with pytest.raises(HandsonError, match=said):
        small(**arguments)


def test_other_nets_refuse_what_has_no_weights():
    with pytest.raises(HandsonError, match=r"alpha = 1.0; got 0.75"):
        applications.MobileNetV3Small(alpha=0.75, minimalistic=True)
    with pytest.raises(HandsonError, match="depth_multiplier = 1; got 2"):
        applications.MobileNet(depth_multiplier=2)
    with pytest.raises(HandsonError, match="images of one size"):
        applications.NASNetMobile((None, None, 3), include_top=False, weights=None)


# Files of weights.


@pytest.fixture(scope="module")
def written(keras, tmp_path_factory):
    """A net of Keras, and the files that it has written: of Keras 3, and of Keras 2."""
    from keras.src.legacy.saving import legacy_h5_format

    _, theirs = pretrained.both(keras, "MobileNetV2", alpha=0.35, **SMALL)
    theirs.set_weights(pretrained.drawn(theirs, seed=2))
    folder = tmp_path_factory.mktemp("weights")
    theirs.save_weights(folder / "net.weights.h5")
    with h5py.File(folder / "older.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, theirs)
    return theirs, folder


@pytest.mark.parametrize("file", ["net.weights.h5", "older.h5"])
def test_weights_of_a_file_of_keras_are_read(written, file):
    theirs, folder = written
    ours = small(weights=folder / file, **SMALL)
    x = pretrained.images(theirs)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize("file", ["net.weights.h5", "older.h5"])
@pytest.mark.parametrize("arguments", [{"alpha": 0.5}, {"include_top": True, "pooling": None}])
def test_weights_of_another_net_are_refused(written, file, arguments):
    with pytest.raises(HandsonError, match="does not fit this net|and the net has"):
        small(**SMALL | {"weights": written[1] / file} | arguments)


def test_weights_of_keras_2_go_into_a_net_that_has_them_by_name(written):
    theirs, folder = written
    net = small(classes=5)
    net.load_weights(folder / "older.h5", by_name=True)
    found = net.get_layer("block_3_expand").get_weights()
    np.testing.assert_array_equal(found[0], theirs.get_layer("block_3_expand").get_weights()[0])


@pytest.mark.parametrize("kind", ["link", "missing", "text"])
def test_a_file_of_keras_2_that_leads_elsewhere_is_refused(tmp_path, kind):
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file.attrs["layer_names"] = [b"dense"]
        group = file.create_group("dense")
        group.attrs["weight_names"] = [b"dense/kernel"]
        if kind == "link":
            group["dense"] = h5py.ExternalLink("other.h5", "/dense")
        elif kind == "text":
            group.create_dataset("dense/kernel", data=b"text")
    net = handson.Sequential([layers.Dense(2, input_dim=3)])
    with pytest.raises(HandsonError, match="link to somewhere else|is damaged|declares shape"):
        net.load_weights(tmp_path / "bad.h5")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of Keras, and no net to fetch from."""

    def unreachable(*arguments, **rest):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_weights_of_imagenet_are_read_from_the_cache_of_keras(written, cache):
    theirs, folder = written
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    (cache / name).write_bytes((folder / "net.weights.h5").read_bytes())
    ours = applications.MobileNetV2((48, 48, 3), alpha=0.35, **SMALL)
    assert ours.name == "mobilenetv2_0.35_224"
    for found, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "arguments", "file"),
    [
        ("VGG16", {}, "vgg16_weights_tf_dim_ordering_tf_kernels.h5"),
        ("VGG16", {"include_top": False}, "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("ResNet50V2", {"include_top": False}, "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("MobileNet", {"alpha": 0.25, "input_shape": (160, 160, 3)}, "mobilenet_2_5_160_tf.h5"),
        ("MobileNetV3Large", {"include_top": False}, "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5"),
        ("EfficientNetB3", {}, "efficientnetb3.h5"),
        ("EfficientNetV2S", {"include_top": False, "name": "mine"}, "efficientnetv2-s_notop.h5"),
        ("ConvNeXtXLarge", {}, "convnext_xlarge.h5"),
        ("NASNetLarge", {"include_top": False}, "nasnet_large_no_top.h5"),
    ],
)
def test_a_missing_file_of_weights_is_named_with_its_place(cache, name, arguments, file):
    with pytest.raises(HandsonError, match="no network") as error:
        getattr(applications, name)(**arguments)
    assert str(error.value).endswith(f"at {cache / file}.")


def test_a_file_of_weights_that_is_another_is_refused(cache):
    file = cache / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    file.write_bytes(b"something else")
    with pytest.raises(HandsonError, match="is another file than expected.*6d6bbae143d832006294945121d1f1fc"):
        applications.VGG16(include_top=False)


class Anything:
    """Stands for layers of Keras, nets and symbols, so that no net is built."""

    shape = (None, 64, 64, 8)

    def __getattr__(self, name):
        return self

    def same(self, *arguments, **rest):
        return self

    __call__ = __add__ = __mul__ = __rmul__ = same


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
@pytest.mark.parametrize("name", names())
def test_the_files_are_those_of_keras(keras, cache, monkeypatch, name):
    asked = []

    def file(fname, origin, cache_subdir, file_hash=None):
        asked.append((fname, origin, cache_subdir, file_hash))
        raise LookupError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", file)
    monkeypatch.setattr("handson.applications.application.get_file", file)
    for module in [module for place, module in sys.modules.items() if place.startswith("keras.src.applications.")]:
        for noun in {"layers", "Functional", "Sequential", "LayerScale", "CustomScaleLayer"} & vars(module).keys():
            monkeypatch.setattr(module, noun, Anything())
    for top in (True, False):
        for build in (getattr(applications, name), pretrained.of_keras(keras, name)):
            with pytest.raises(LookupError):
                build(include_top=top, input_shape=None)
    assert asked[::2] == asked[1::2]


# What users do with a net.


def test_a_net_whose_name_has_dots_is_part_of_another(tmp_path, capsys):
    inner = small(include_top=False)
    x = layers.Input((32, 32, 3))
    net = handson.Model(x, layers.Dense(2)(layers.Flatten()(inner(x))))
    assert net.get_layer("mobilenetv2_0.35_32") is inner
    net.summary(expand_nested=False)
    assert "mobilenetv2_0.35_32" in capsys.readouterr().out
    stack = handson.Sequential([inner, layers.GlobalAveragePooling2D(), layers.Dense(2)])
    for kind in (net, stack):
        kind.save(tmp_path / "net.handson")
        again = handson.load(tmp_path / "net.handson")
        assert again.get_layer("mobilenetv2_0.35_32").name == "mobilenetv2_0.35_32"
        images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
        np.testing.assert_array_equal(again.predict(images), kind.predict(images))


def test_a_frozen_net_keeps_its_weights_and_statistics(rng, written):
    inner = small(weights=written[1] / "net.weights.h5", **SMALL)
    inner.trainable = False
    before = [weight.copy() for weight in inner.get_weights()]
    net = handson.Sequential([inner, layers.Dense(1)], seed=0)
    net.compile("adam", "mse")
    net.fit(rng.normal(size=(8, 32, 32, 3)).astype("float32"), rng.normal(size=8), epochs=1, verbose=0)
    assert all((one == two).all() for one, two in zip(before, inner.get_weights(), strict=True))
    inner.trainable = True
    net.fit(rng.normal(size=(8, 32, 32, 3)).astype("float32"), rng.normal(size=8), epochs=1, verbose=0)
    assert not any((one == two).all() for one, two in zip(before, inner.get_weights(), strict=True))


def test_a_file_with_a_layer_of_this_room_is_loaded_by_a_new_process(tmp_path):
    from handson.applications.scale_layers import LayerScale

    x = layers.Input((3,))
    handson.Model(x, LayerScale(0.5, 3)(x)).save(tmp_path / "net.handson")
    code = f"import handson; print(handson.load({str(tmp_path / 'net.handson')!r}).predict([[2.0, 4.0, 6.0]]).tolist())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(said.splitlines()[-1]) == [[1.0, 2.0, 3.0]]


def test_whole_nets_with_layers_of_this_room_go_to_keras_and_back(keras, tmp_path):
    from handson.applications.scale_layers import CustomScaleLayer, LayerScale

    x = layers.Input((3,))
    ours = handson.Model(x, CustomScaleLayer(0.5)([x, LayerScale(0.25, 3, name="small")(x)]))
    ours.get_layer("small").set_weights([np.array([1.0, 2.0, 3.0])])
    ours.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    again = handson.load(tmp_path / "theirs.keras")
    rows = np.array([[2.0, 2.0, 2.0]], "float32")
    for net in (ours, theirs, again):
        np.testing.assert_allclose(net.predict(rows, verbose=0), [[3.0, 4.0, 5.0]])


def test_the_nets_cost_nothing_until_they_are_used():
    code = "import sys; from handson import applications; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'torch'" not in loaded
    assert "'handson.applications.vgg16'" not in loaded


def test_classes_of_a_damaged_file_are_refused(cache):
    (cache / "imagenet_class_index.json").write_text(json.dumps([1, 2]))
    with pytest.raises(HandsonError, match="is not Keras's imagenet_class_index.json"):
        applications.vgg16.decode_predictions(np.zeros((1, 1000)))


# Gray images, and those of many bands.


@pytest.mark.parametrize(
    ("name", "first", "bands"),
    [
        ("MobileNetV2", "Conv1", 1),
        ("MobileNetV2", "Conv1", 2),
        ("MobileNetV2", "Conv1", 5),
        ("EfficientNetB0", "stem_conv", 1),
        ("EfficientNetV2B0", "stem_conv", 4),
    ],
)
def test_images_whose_bands_are_alike_give_what_they_give_in_gray(tmp_path, rng, name, first, bands):
    build = getattr(applications, name)
    arguments = {"alpha": 0.35} if name == "MobileNetV2" else {}
    whole = build(weights=None, input_shape=(32, 32, 3), **SMALL, **arguments)
    # Numbers for red, green and blue that differ have their mean for gray, which gives something else.
    for part in whole.layers:
        if part.name == "normalization" and part.weights:
            part.set_weights([np.full_like(weight, 0.5) for weight in part.get_weights()])
    whole.save_weights(tmp_path / "rgb.weights.h5")
    other = build(weights=tmp_path / "rgb.weights.h5", input_shape=(32, 32, bands), **SMALL, **arguments)
    assert other.input_shape == (None, 32, 32, bands)
    gray = rng.uniform(0, 255, (2, 32, 32, 1)).astype("float32")
    # The deeper layers of a net that is not trained hardly change with the image.
    begins = [handson.Model(net.input, net.get_layer(first).output) for net in (other, whole)]
    found, expected = (net.predict(np.repeat(gray, net.input_shape[-1], -1)) for net in begins)
    if name == "EfficientNetV2B0":  # which standardizes the image by what differs from band to band
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9
    else:
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert all(np.array_equal(*pair) for pair in zip(other.get_weights()[-9:], whole.get_weights()[-9:], strict=True))


def test_kernels_stand_for_bands_in_the_order_that_images_have(tmp_path):
    whole = applications.VGG16(weights=None, input_shape=(32, 32, 3), **SMALL)
    whole.save_weights(tmp_path / "rgb.weights.h5")
    blue, green, red = np.moveaxis(whole.get_layer("block1_conv1").get_weights()[0], 2, 0)
    other = applications.VGG16(weights=tmp_path / "rgb.weights.h5", input_shape=(32, 32, 4), **SMALL)
    found = np.moveaxis(other.get_layer("block1_conv1").get_weights()[0], 2, 0)
    np.testing.assert_allclose(found, [red / 2, green, blue, red / 2], rtol=1e-6)


def test_a_file_for_the_same_bands_is_read_as_it_is(tmp_path):
    whole = small(input_shape=(32, 32, 2), **SMALL)
    whole.save_weights(tmp_path / "two.weights.h5")
    again = small(weights=tmp_path / "two.weights.h5", input_shape=(32, 32, 2), **SMALL)
    for one, two in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(HandsonError, match="does not fit this net|and the net has"):
        small(weights=tmp_path / "two.weights.h5", input_shape=(32, 32, 1), **SMALL)


def test_weights_of_imagenet_are_adapted_too(written, cache):
    theirs, folder = written
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    (cache / name).write_bytes((folder / "net.weights.h5").read_bytes())
    found = applications.MobileNetV2((48, 48, 1), alpha=0.35, **SMALL).get_weights()
    expected = theirs.get_weights()
    np.testing.assert_allclose(found[0], expected[0].sum(2, keepdims=True), rtol=1e-5, atol=1e-6)
    assert all(np.array_equal(one, two) for one, two in zip(found[1:], expected[1:], strict=True))


# Preparing images.


def test_a_way_to_prepare_images_that_there_is_not_is_refused():
    with pytest.raises(HandsonError, match="mode is one of .*got 'caffee'. Did you mean 'caffe'"):
        Preparation("caffee")


@pytest.mark.parametrize("name", ["vgg16", "mobilenet_v2", "densenet", "convnext"])
@pytest.mark.parametrize("bands", [1, 3, 4])
def test_a_layer_prepares_images_as_the_function_does(tmp_path, rng, name, bands):
    prepare = getattr(applications, name).preprocess_input
    x = rng.uniform(0, 255, (2, 5, 6, bands)).astype("float32")
    net = handson.Sequential([layers.Input((5, 6, bands)), prepare.layer(bands)])
    np.testing.assert_allclose(net.predict(x), prepare(x), rtol=1e-4, atol=1e-4)
    first = np.moveaxis(prepare(np.moveaxis(x, -1, 1), data_format="channels_first"), 1, -1)
    np.testing.assert_allclose(first, prepare(x), rtol=1e-5)
    for file in ("net.handson", "net.keras"):
        net.save(tmp_path / file)
        np.testing.assert_array_equal(handson.load(tmp_path / file).predict(x), net.predict(x))


def test_every_net_says_how_its_images_are_prepared():
    assert small().preprocess_input is applications.mobilenet_v2.preprocess_input
    net = applications.MobileNet((32, 32, 3), alpha=0.25, weights=None)
    assert net.preprocess_input is applications.mobilenet.preprocess_input


def test_a_gray_image_is_prepared_with_the_mean_of_the_colors(rng):
    gray = rng.uniform(0, 255, (2, 4, 4, 1)).astype("float32")
    found = applications.vgg16.preprocess_input(gray)
    assert found.shape == gray.shape
    whole = applications.vgg16.preprocess_input(np.repeat(gray, 3, -1)).mean(-1, keepdims=True)
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-4)
