"""Images of `utils`, against Keras's."""

import io

import numpy as np
import pytest

from handson import HandsonError, utils


def pixels(shape=(9, 12, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_arrays_become_the_images_of_keras_and_come_back(keras, channels, scale, layout):
    x = pixels((5, 6, channels)) if layout == "channels_last" else pixels((channels, 5, 6))
    x = x.astype("float32") / 2
    ours, theirs = utils.array_to_img(x, layout, scale), keras.utils.array_to_img(x, layout, scale)
    assert ours.mode == theirs.mode
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    assert np.array_equal(utils.img_to_array(ours, layout), keras.utils.img_to_array(theirs, layout))


@pytest.mark.parametrize("mode", ["rgb", "rgba", "grayscale"])
@pytest.mark.parametrize("size", [None, (4, 5), (9, 12)])
@pytest.mark.parametrize("ratio", [False, True])
def test_files_are_read_as_by_keras(keras, tmp_path, mode, size, ratio):
    path = tmp_path / "a.png"
    utils.save_img(path, pixels(), scale=False)
    arguments = {"color_mode": mode, "target_size": size, "interpolation": "bilinear", "keep_aspect_ratio": ratio}
    ours, theirs = utils.load_img(path, **arguments), keras.utils.load_img(path, **arguments)
    assert ours.mode == theirs.mode
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    assert np.array_equal(np.asarray(utils.load_img(io.BytesIO(path.read_bytes()), **arguments)), np.asarray(ours))


@pytest.mark.parametrize("size", [(4, 4), (3, 8), (12, 2)])
def test_images_are_resized_in_proportion_as_by_keras(keras, size):
    x = pixels().astype("float32")
    found = utils.smart_resize(x, size)
    wanted = keras.preprocessing.image.smart_resize(x, size)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: utils.load_img(path / "none.png"), "no image that can be read"),
        (lambda path: utils.load_img(path / "x.png", "rbg"), "Did you mean 'rgb"),
        (lambda path: utils.array_to_img(np.zeros((3, 3))), "takes one image"),
        (lambda path: utils.array_to_img(np.zeros((3, 3, 2))), "1, 3 or 4 channels"),
        (lambda path: utils.img_to_array(np.zeros(3)), "takes one image"),
        (lambda path: utils.save_img(path / "a.jpg", np.zeros((3, 3, 4))), "transparency"),
    ],
)
def test_errors_say_what_to_give(tmp_path, make, said):
    with pytest.raises(HandsonError, match=said):
        make(tmp_path)
