"""Folders of images as data sets."""

import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from handson.core.errors import HandsonError
from handson.data.reading.image_folders import read_folder
from handson.data.reading.sources import read


def picture(path, array, **options):
    """Write an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def test_a_folder_of_images_is_a_data_set(tmp_path, rng):
    arrays = rng.integers(0, 256, (3, 6, 5)).astype(np.uint8)
    for name, array in zip("cab", arrays, strict=True):
        picture(tmp_path / f"{name}.png", array)
    data = read(tmp_path)
    np.testing.assert_array_equal(data.inputs[..., 0], arrays[[1, 2, 0]])
    assert data.ids.tolist() == ["a.png", "b.png", "c.png"]
    assert (data.targets, data.classes, data.task) == (None, None, "none")


def test_subfolders_are_the_classes(tmp_path, rng):
    for label, names in {"spiral": "ab", "elliptical": "c"}.items():
        for name in names:
            picture(tmp_path / label / f"{name}.png", rng.integers(0, 256, (4, 4, 3)).astype(np.uint8))
    data = read(tmp_path)
    assert data.classes == ["elliptical", "spiral"]
    assert data.targets.tolist() == [0, 1, 1]
    assert data.ids.tolist() == ["elliptical/c.png", "spiral/a.png", "spiral/b.png"]
    assert data.inputs.shape == (3, 4, 4, 3)


def test_given_classes_decide_the_numbers_of_subfolders(tmp_path):
    """A folder to predict may lack a class, or hold them in another order of the alphabet."""
    for label in ("spiral", "elliptical"):
        picture(tmp_path / label / "a.png", np.zeros((4, 4), np.uint8))
    data = read(tmp_path, classes=["spiral", "barred", "elliptical"])
    assert (data.classes, data.targets.tolist()) == (["spiral", "barred", "elliptical"], [2, 0])
    with pytest.raises(HandsonError, match="hold 'elliptical', which is no class. Did you mean 'eliptical'"):
        read(tmp_path, classes=["spiral", "eliptical"])


def test_hidden_folders_and_other_files_are_left_out(tmp_path):
    for place in ("a.PNG", ".thumbnails/b.png"):
        picture(tmp_path / place, np.zeros((3, 3), np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    assert read(tmp_path).ids.tolist() == ["a.PNG"]


def test_grey_images_become_coloured_among_coloured_ones(tmp_path):
    picture(tmp_path / "a.png", np.full((3, 3), 7, np.uint8))
    picture(tmp_path / "b.png", np.full((3, 3, 3), (1, 2, 3), np.uint8))
    np.testing.assert_array_equal(read(tmp_path).inputs[:, 0, 0], [[7, 7, 7], [1, 2, 3]])


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif", "jpg", "webp"])
def test_all_formats_are_read(tmp_path, suffix):
    picture(tmp_path / f"a.{suffix}", np.full((8, 8), 100, np.uint8))
    np.testing.assert_allclose(read(tmp_path).inputs.astype(int), 100, atol=3)


def test_sixteen_bit_images_are_not_cut_off_at_255(tmp_path):
    """Telescopes and microscopes write them; a conversion to 8 bits would make them white."""
    ramp = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)
    picture(tmp_path / "a.png", ramp)
    found = read(tmp_path).inputs[0, ..., 0].astype(np.float64).ravel()
    np.testing.assert_allclose(found / found.max(), ramp.ravel() / 65535, atol=0.01)


def test_images_of_fractions_are_not_cut_off(tmp_path):
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    picture(tmp_path / "a.tif", ramp)
    found = read(tmp_path).inputs[0, ..., 0].astype(np.float64)
    np.testing.assert_allclose(found / found.max(), ramp, atol=0.01)


def test_images_of_8_and_16_bits_are_not_mixed(tmp_path):
    picture(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    picture(tmp_path / "b.png", np.zeros((4, 4), np.uint16))
    with pytest.raises(HandsonError, match="b.png and a.png have different ranges of values"):
        read(tmp_path)


def test_images_of_several_sizes_are_refused_with_the_cure(tmp_path):
    picture(tmp_path / "a.png", np.zeros((4, 6), np.uint8))
    picture(tmp_path / "b.png", np.zeros((5, 6), np.uint8))
    with pytest.raises(HandsonError, match=r"b.png is 5x6, and a.png 4x6. Say image_shape=\(height, width\)"):
        read(tmp_path)
    assert read(tmp_path, image_shape=(3, 2)).inputs.shape == (2, 3, 2, 1)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(HandsonError, match=r"holds no images \(\.bmp, \.gif.*nor do its subfolders"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello, this is text", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_files_that_are_no_images_are_named(tmp_path, content):
    picture(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    (tmp_path / "b.png").write_bytes(content)
    with pytest.raises(HandsonError, match="b.png is not an image that can be read"):
        read(tmp_path)


def test_truncated_images_are_named(tmp_path, rng):
    picture(tmp_path / "a.png", rng.integers(0, 256, (64, 64)).astype(np.uint8))
    path = tmp_path / "a.png"
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(HandsonError, match="a.png is not an image that can be read"):
        read(tmp_path)


def declared_png(width, height):
    """A small PNG file that says it is large."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.mark.parametrize(("width", "height"), [(10_000, 6_000), (12_000, 10_000), (100_000, 100_000)])
def test_images_that_declare_a_huge_size_are_refused_before_they_are_decoded(tmp_path, width, height):
    (tmp_path / "a.png").write_bytes(declared_png(width, height))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(HandsonError, match=r"a\.png"):
            read(tmp_path)


def test_the_size_and_the_limit_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(declared_png(10_000, 6_000))
    with pytest.raises(HandsonError, match="a.png has 10000x6000 pixels; more than 50,000,000 are refused"):
        read_folder(tmp_path)


# Paths
