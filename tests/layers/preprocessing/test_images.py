"""Layers that change images: what Keras's do for the same drawn numbers, and that each image is drawn for itself."""

import inspect

import numpy as np
import pytest
import torch
from scipy import stats

import handson
from handson import layers
from handson.layers.preprocessing import images as family
from handson.layers.preprocessing.images.base import ImageLayer
from handson.randomness import stream

SHAPE = (4, 9, 12, 3)


def pictures(high=255.0, shape=SHAPE, seed=0):
    return torch.tensor(np.random.default_rng(seed).uniform(0, high, shape), dtype=torch.float32)


def drawn_by(layer, images):
    layer.ensure_built((None, *images.shape[1:]), 1)
    return layer.draw(layer._calls.draws(layer, len(images), images.device), images.shape)


def column(values):
    return values.reshape(-1, 1)


def four(values):
    return values.reshape(-1, 1, 1, 1)


# What Keras's `transform_images` wants to know, from what our layer drew.
TOLD = {
    "RandomBrightness": lambda d: {"rgb_delta": four(d["added"])},
    "RandomContrast": lambda d: {"contrast_factor": four(d["factor"])},
    "RandomHue": lambda d: {"factor": d["turn"]},
    "RandomSaturation": lambda d: {"factor": d["factor"]},
    "RandomGrayscale": lambda d: four(d["applied"]),
    "RandomColorDegeneration": lambda d: {"factor": four(d["factor"])},
    "RandomInvert": lambda d: {"apply_inversion": d["applied"]},
    "RandomPosterization": lambda d: {"shift_factor": (8 - d["bits"]).to(torch.uint8)},
    "RandomSharpness": lambda d: {"factor": d["factor"]},
    "Solarization": lambda d: {"additions": four(d["addition"]), "thresholds": four(d["threshold"])},
    "AutoContrast": lambda d: None,
    "RandomZoom": lambda d: {"height_zoom": column(d["height"]), "width_zoom": column(d["width"])},
    "RandomTranslation": lambda d: {"translations": torch.stack([d["width"], d["height"]], 1)},
    "RandomShear": lambda d: {"shear_factor": torch.stack([d["x"], d["y"]], 1)},
    "RandomPerspective": lambda d: {
        "apply_perspective": d["applied"],
        "start_points": d["start"],
        "end_points": d["end"],
    },
    "MixUp": lambda d: {"mix_weight": d["weight"], "permutation_order": d["order"]},
}
CASES = [
    ("RandomBrightness", {"factor": 0.4}),
    ("RandomContrast", {"factor": (0.5, 0.9)}),
    ("RandomHue", {"factor": 0.8}),
    ("RandomSaturation", {"factor": (0.1, 0.6), "value_range": (0, 1)}),
    ("RandomGrayscale", {"factor": 0.5}),
    ("RandomColorDegeneration", {"factor": (0.0, 0.9)}),
    ("RandomInvert", {"factor": (0.5, 0.6)}),
    ("RandomPosterization", {"factor": (1, 7)}),
    ("RandomPosterization", {"factor": (3, 3), "value_range": (0, 1)}),
    ("RandomSharpness", {"factor": (0.0, 1.0)}),
    ("Solarization", {"addition_factor": (0.0, 0.3), "threshold_factor": (0.0, 0.8)}),
    ("AutoContrast", {}),
    ("RandomZoom", {"height_factor": 0.4}),
    ("RandomTranslation", {"height_factor": 0.3, "width_factor": (-0.2, 0.5)}),
    ("RandomShear", {"x_factor": 0.4, "y_factor": (0.1, 0.3)}),
    ("RandomPerspective", {"factor": (0.5, 1.0), "scale": 0.6}),
    ("MixUp", {"alpha": 0.4}),
]
FILLED = {"RandomZoom", "RandomTranslation", "RandomShear"}
WAYS = [(mode, order) for mode in ("constant", "nearest", "wrap", "reflect") for order in ("nearest", "bilinear")]


def compare(keras, name, arguments):
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    images = pictures(arguments.get("value_range", (0, 255))[1])
    drawn = drawn_by(ours, images)
    wanted = theirs.transform_images(images.clone(), TOLD[name](drawn))
    np.testing.assert_allclose(ours.change(images, drawn).numpy(), wanted.detach().numpy(), rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_images_change_as_those_of_keras_for_the_same_numbers(keras, name, arguments):
    compare(keras, name, arguments)


@pytest.mark.parametrize(("name", "arguments"), [case for case in CASES if case[0] in FILLED])
@pytest.mark.parametrize(("mode", "order"), WAYS)
def test_what_is_beyond_the_border_is_filled_as_by_keras(keras, name, arguments, mode, order):
    compare(keras, name, {**arguments, "fill_mode": mode, "interpolation": order, "fill_value": 7.0})


@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_a_rotation_is_that_of_keras(keras, mode):
    ours = layers.RandomRotation(0.3, fill_mode=mode, seed=0)
    images = pictures()
    drawn = drawn_by(ours, images)
    theirs = keras.layers.RandomRotation(0.3, fill_mode=mode)
    count = len(images)
    zeros, ones = torch.zeros(count), torch.ones(count)
    matrix = theirs._compute_affine_matrix(0.5, 0.5, drawn["angle"], zeros, zeros, ones, zeros, zeros, *SHAPE[1:3])
    wanted = theirs.transform_images(images, {"rotation_matrix": matrix})
    np.testing.assert_allclose(ours.change(images, drawn).numpy(), wanted.numpy(), rtol=1e-4, atol=1e-2)


@pytest.mark.filterwarnings("ignore:Tensor.T is deprecated:UserWarning")  # Keras's own
@pytest.mark.parametrize("name", ["Equalization", "AutoContrast"])
@pytest.mark.parametrize("high", [255.0, 1.0])
def test_a_single_image_is_equalized_as_by_keras(keras, name, high):
    image = pictures(high)[0].pow(2) / high
    arguments = {"value_range": (0, high)}
    ours = getattr(layers, name)(**arguments)(image)
    theirs = getattr(keras.layers, name)(**arguments)(image, training=True)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-3 * high)


def test_a_flat_image_is_left_by_equalization_and_auto_contrast():
    for layer in (layers.Equalization(), layers.AutoContrast()):
        assert torch.equal(layer(torch.full(SHAPE, 9.0)), torch.full(SHAPE, 9.0))


def test_a_flip_mirrors_and_covers_all_four_images():
    image = torch.arange(4.0).reshape(1, 2, 2, 1).expand(200, 2, 2, 1)
    seen = {tuple(one.flatten().tolist()) for one in layers.RandomFlip(seed=0)(image)}
    assert seen == {(0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0)}


def test_a_crop_is_a_window_of_its_image_at_a_place_of_its_own():
    image = torch.arange(48.0).reshape(1, 6, 8, 1).expand(300, 6, 8, 1)
    crops = layers.RandomCrop(4, 5, seed=0)(image)
    corners = {int(crop[0, 0, 0]) for crop in crops}
    assert corners == {8 * row + column for row in range(3) for column in range(4)}
    window = image[0, :4, :5] - image[0, 0, 0]
    assert all(torch.equal(crop - crop[0, 0], window) for crop in crops)


def test_a_crop_outside_of_training_is_the_largest_window_in_the_middle():
    images = pictures(shape=(2, 8, 12, 3))
    found = layers.RandomCrop(4, 4)(images, training=False)
    wanted = handson.ops.image.resize(images[:, :, 2:10], (4, 4))
    assert torch.allclose(found, wanted)
    assert layers.RandomCrop(20, 20)(images).shape == (2, 20, 20, 3)


@pytest.mark.parametrize(("scale", "share"), [((0.25, 0.25), 0.25), ((0.09, 0.09), 0.09)])
def test_erasing_covers_a_rectangle_of_the_wanted_size(scale, share):
    images = torch.ones(50, 40, 40, 2)
    found = layers.RandomErasing((1, 1), scale, fill_value=0, value_range=(0, 1), seed=0)(images)
    assert (1 - found.mean((1, 2, 3))).numpy() == pytest.approx(share, abs=0.03)
    rows = (found[..., 0] == 0).any(2).sum(1)
    assert int(rows.min()) >= int(40 * share**0.5) - 1


def test_noise_that_erases_is_within_the_range():
    found = layers.RandomErasing((1, 1), seed=0)(torch.full(SHAPE, 5.0))
    assert found.min() >= 0
    assert found.max() <= 255
    assert (found != 5).any()


@pytest.mark.parametrize("size", [3, (5, 7)])
def test_a_blur_is_a_convolution_with_a_gaussian(size):
    layer = layers.RandomGaussianBlur((1, 1), size, (0.7, 0.7), seed=0)
    image = torch.zeros(1, 11, 11, 1)
    image[0, 5, 5] = 1.0
    down, right = (size, size) if isinstance(size, int) else size
    curves = [np.exp(-0.5 * ((np.arange(side) - side // 2) / 0.7) ** 2) for side in (down, right)]
    wanted = np.outer(*(curve / curve.sum() for curve in curves))
    found = layer(image)[0, :, :, 0].numpy()
    middle = found[5 - down // 2 : 6 + down // 2, 5 - right // 2 : 6 + right // 2]
    np.testing.assert_allclose(middle, wanted, atol=1e-4)
    assert found.sum() == pytest.approx(1, abs=1e-3)


def test_a_blur_of_a_batch_is_that_of_keras_for_one_deviation(keras):
    arguments = {"factor": (1, 1), "kernel_size": 5, "sigma": (0.8, 0.8)}
    ours = layers.RandomGaussianBlur(**arguments)(pictures())
    theirs = keras.layers.RandomGaussianBlur(**arguments)(pictures(), training=True)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-2)


def test_an_elastic_transform_moves_pixels_by_a_smooth_shift():
    layer = layers.RandomElasticTransform((1, 1), (0.8, 0.8), seed=0)
    images = pictures(shape=(2, 40, 40, 1))
    shift = drawn_by(layer, images)["shift"]
    assert shift.shape == (2, 40, 40, 2)
    steps = (shift[:, 1:] - shift[:, :-1]).std()
    assert 0 < float(steps) < float(shift.std())
    assert not torch.allclose(layer(images), images)


def test_labels_are_mixed_as_their_images():
    images = torch.eye(6).reshape(6, 1, 1, 6)
    for layer in (layers.MixUp(0.5, seed=1), layers.CutMix(seed=1)):
        pair = layer({"images": images.expand(6, 16, 16, 6), "labels": torch.eye(6)})
        seen = pair["images"].mean((1, 2))
        np.testing.assert_allclose(seen.numpy(), pair["labels"].numpy(), atol=0.15)
        assert not torch.equal(pair["labels"], torch.eye(6))


def test_classes_as_whole_numbers_cannot_be_mixed():
    with pytest.raises(handson.HandsonError, match="to_categorical"):
        layers.MixUp()({"images": pictures(), "labels": [0, 1, 2, 3]})


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_of_mixing_are_of_the_beta_distribution(alpha):
    drawn = drawn_by(layers.MixUp(alpha, seed=3), torch.zeros(4000, 1, 1, 1))
    assert stats.kstest(drawn["weight"].numpy(), stats.beta(alpha, alpha).cdf).pvalue > 1e-4
    assert sorted(drawn["order"].tolist()) == list(range(4000))


@pytest.mark.parametrize(
    "layer",
    [
        layers.RandomFlip("vertical", seed=1),
        layers.RandomRotation(0.5, seed=1),
        layers.RandomCrop(5, 5, seed=1),
        layers.RandomElasticTransform((1, 1), seed=1),
        layers.RandomPerspective((1, 1), 0.5, seed=1),
        layers.CutMix(seed=1),
        layers.RandAugment(num_ops=3, factor=0.1, seed=1),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_masks_move_with_their_images_and_keep_their_classes(layer):
    masks = (pictures() > 127)[..., :1].to(torch.int64) * 7
    found = layer({"images": pictures(), "segmentation_masks": masks})
    assert found["segmentation_masks"].dtype == torch.int64
    assert set(found["segmentation_masks"].unique().tolist()) <= {0, 7}
    assert found["images"].shape[:3] == found["segmentation_masks"].shape[:3]


def test_colours_leave_masks_and_labels():
    labels, masks = np.array([3, 1, 2, 0]), np.ones((4, 9, 12, 1), np.int32)
    found = layers.RandomBrightness(0.5)({"images": pictures(), "labels": labels, "segmentation_masks": masks})
    assert found["labels"].tolist() == labels.tolist()
    assert torch.equal(found["segmentation_masks"], torch.tensor(masks))


EVERY = [
    layers.RandomFlip(), layers.RandomRotation(0.2), layers.RandomZoom(0.2), layers.RandomTranslation(0.2, 0.2),
    layers.RandomShear(0.2, 0.2), layers.RandomCrop(5, 5), layers.RandomBrightness(0.2), layers.RandomContrast(0.2),
    layers.RandomHue(0.2), layers.RandomSaturation(0.2), layers.RandomColorJitter((0, 255), 0.1, 0.1, 0.6, 0.1),
    layers.RandomGrayscale(), layers.RandomColorDegeneration(0.5), layers.RandomInvert(), layers.RandomPosterization(4),
    layers.RandomSharpness(0.5), layers.Solarization(0.2, 0.5), layers.RandomErasing(), layers.RandomGaussianBlur(),
    layers.RandomPerspective(), layers.RandomElasticTransform(), layers.MixUp(), layers.CutMix(), layers.RandAugment(),
    layers.AugMix(),
]  # fmt: skip
every = pytest.mark.parametrize("layer", EVERY, ids=lambda layer: type(layer).__name__)


def fresh(layer, **more):
    return type(layer).from_config({**layer.get_config(), "name": "one", **more})


def test_every_layer_of_the_family_is_tested_here():
    known = {name for name in family.__all__ if issubclass(getattr(family, name), ImageLayer)}
    assert {type(layer).__name__ for layer in EVERY} == known - {"AutoContrast", "Equalization"}


def in_run(layer, images, rows, epoch=0):
    active = stream.Stream(5, epoch)
    active.rows = torch.as_tensor(rows)
    with stream.active(active):
        return layer(images[rows])


@every
def test_an_image_changes_alike_in_any_batch_and_otherwise_in_another_epoch(layer):
    if isinstance(layer, (layers.MixUp, layers.CutMix)):
        pytest.skip("depends on the others of the batch")
    images = pictures(shape=(6, 9, 12, 3))
    whole = in_run(fresh(layer), images, [0, 1, 2, 3, 4, 5])
    parts = torch.cat([in_run(fresh(layer), images, rows) for rows in ([0, 1], [2, 3, 4, 5])])
    np.testing.assert_allclose(whole.numpy(), parts.numpy(), rtol=1e-4, atol=1e-3)
    assert not torch.allclose(whole, in_run(fresh(layer), images, [0, 1, 2, 3, 4, 5], epoch=1))


@every
def test_outside_of_training_only_a_crop_changes_images(layer):
    images = pictures()
    if not isinstance(layer, layers.RandomCrop):
        assert torch.equal(layer(images, training=False), images)
    assert torch.equal(layer.eval()(images), layer(images, training=False))
    layer.train()


@every
def test_calls_draw_anew_and_a_seed_repeats_them(layer):
    images = pictures()
    one, two = fresh(layer, seed=4), fresh(layer, seed=4)
    first, second = one(images), one(images)
    assert torch.equal(first, two(images))
    assert not torch.equal(first, second)


@every
def test_channels_first_single_images_and_bytes_give_the_same(layer):
    images = pictures().round()
    wanted = fresh(layer, seed=2)(images)
    first = fresh(
        layer, seed=2, **({} if "data_format" not in parameters(layer) else {"data_format": "channels_first"})
    )
    if first.data_format == "channels_first":
        assert torch.allclose(first(images.movedim(-1, 1)).movedim(1, -1), wanted)
    assert torch.allclose(fresh(layer, seed=2)(images.to(torch.uint8)), wanted)
    assert fresh(layer, seed=2)(images[0]).shape == wanted.shape[1:]


def parameters(layer):
    return inspect.signature(type(layer).__init__).parameters


def test_a_layer_called_twice_in_a_step_draws_twice():
    layer = layers.RandomBrightness(0.5)
    active = stream.Stream(5, 0)
    active.rows = torch.arange(4)
    with stream.active(active):
        one, two = layer(pictures()), layer(pictures())
        active.rows = torch.arange(4)
        again = layer(pictures())
    assert not torch.equal(one, two)
    assert torch.equal(one, again)


def test_a_net_trains_through_the_layers_and_predicts_without_them():
    net = handson.Sequential(
        [
            handson.Input((8, 8, 3)),
            layers.Pipeline([layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomContrast(0.1)]),
            layers.RandomZoom(0.1),
            layers.Conv2D(4, 3),
            layers.Flatten(),
            layers.Dense(1),
        ],
        seed=0,
    )
    net.compile("sgd", "mse")
    images = pictures(1.0, (8, 8, 8, 3)).numpy()
    losses = net.fit(images, np.zeros(8), epochs=2, batch_size=4, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert np.array_equal(net.predict(images, verbose=0), net.predict(images, verbose=0))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: layers.RandomFlip("sideways"), "mode is one of"),
        (lambda: layers.RandomRotation(3), "factor is a number from -1 to 1"),
        (lambda: layers.RandomRotation((0.1, 0.2, 0.3)), "or two of them"),
        (lambda: layers.RandomZoom(0.1, fill_mode="reflet"), "Did you mean 'reflect'"),
        (lambda: layers.RandomBrightness(0.1, value_range=1), "value_range is the least"),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), "odd"),
        (lambda: layers.RandomFlip(bounding_box_format="xyxy"), "bounding boxes"),
        (lambda: layers.RandomFlip()(torch.zeros(3, 3)), "height, width, channels"),
        (lambda: layers.RandomFlip()({"image": torch.zeros(1, 3, 3, 1)}), "Did you mean 'images'"),
        (lambda: layers.RandomErasing(fill_value=[1, 2])(pictures()), "for each of the 3 channels"),
    ],
)
def test_errors_say_what_to_give(make, said):
    with pytest.raises(handson.HandsonError, match=said):
        make()
