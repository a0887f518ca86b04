"""Folders of images: every file is read, left out and counted, or refused; pixels against Pillow and NumPy."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from handson.core.errors import HandsonError
from handson.data.reading.sources import read


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = array if isinstance(array, Image.Image) else Image.fromarray(np.asarray(array))
    image.save(path, **options)


def grey(value=7, size=(4, 4)):
    return np.full(size, value, np.uint8)


def deep_png(path, pixels, hidden=None):
    """A PNG file of 16 bits, written by hand: 1, 2, 3 or 4 channels."""
    height, width, channels = pixels.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    content = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    if hidden is not None:
        content += chunk(b"tRNS", struct.pack(f">{len(hidden)}H", *hidden))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def deep_tiff(path, pixels, order="<"):
    """A TIFF file of 16 bits a colour, in either byte order."""
    height, width, channels = pixels.shape
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, 8), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 200), (277, 3, 1, channels), (278, 3, 1, height), (279, 4, 1, pixels.size * 2),
    ]  # fmt: skip
    body = struct.pack(f"{order}{channels}H", *[16] * channels) + b"\0" * 16
    start = 8 + len(body)
    table = struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in entries:
        packed = struct.pack(f"{order}HH", value, 0) if kind == 3 and count == 1 else struct.pack(f"{order}I", value)
        table += struct.pack(f"{order}HHI", tag, kind, count) + packed
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    content = head + body + table + struct.pack(f"{order}I", 0)
    path.write_bytes(content.ljust(200, b"\0") + pixels.astype(f"{order}u2").tobytes())


# What is found


def test_every_file_is_counted(tmp_path):
    for name in ("a/1.png", "a/deep/2.PNG", "b/3.jfif", "b/4.PGM", "b/5.TIFF", "c/6.webp"):
        place = tmp_path / name
        save(place, grey(), format={"jfif": "JPEG", "pgm": "PPM"}.get(name.rsplit(".")[-1].lower()))
    for name in ("a/notes.txt", "b/Thumbs.db", "b/.DS_Store", "a/._1.png", "__MACOSX/a/._1.png", "c/README"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    data = read(tmp_path)
    assert data.ids.tolist() == ["a/1.png", "a/deep/2.PNG", "b/3.jfif", "b/4.PGM", "b/5.TIFF", "c/6.webp"]
    assert (data.classes, data.targets.tolist()) == (["a", "b", "c"], [0, 0, 1, 1, 1, 2])
    (line,) = data.notes
    assert line.startswith("read 6 images of 3 classes; left out: ")
    for part in ("1 file ending in .txt", "1 file ending in .db", "2 hidden file", "1 empty folder", "__MACOSX",
                 "1 file without an ending"):  # fmt: skip
        assert part in line


def test_a_folder_without_classes_is_summarised(tmp_path):
    save(tmp_path / "a.png", grey())
    (tmp_path / "empty").mkdir()
    data = read(tmp_path)
    assert (data.notes, data.classes) == (["read 1 image; left out: 1 empty folder."], None)


@pytest.mark.parametrize("name", ["a.heic", "a.AVIF", "a.dcm"])
def test_images_of_a_kind_that_is_not_read_are_refused(tmp_path, name):
    save(tmp_path / "b.png", grey())
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(HandsonError, match=rf"1 images of a kind that is not read: '{name}'"):
        read(tmp_path)


def test_images_beside_classes_are_refused(tmp_path):
    save(tmp_path / "a" / "1.png", grey())
    save(tmp_path / "stray.png", grey())
    with pytest.raises(HandsonError, match=r"1 images beside folders of images \('a'\), the first is stray.png"):
        read(tmp_path)


def test_parts_of_a_split_are_no_classes(tmp_path):
    for name in ("train/cat/1.png", "train/dog/2.png", "test/cat/3.png", "test/dog/4.png"):
        save(tmp_path / name, grey())
    with pytest.raises(HandsonError, match="several folders of them: 'cat', 'dog'. If these are the classes, read"):
        read(tmp_path)
    assert read(tmp_path / "train").classes == ["cat", "dog"]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_out_of_the_folder_are_refused(tmp_path, what):
    save(tmp_path / "outside" / "a.png", grey())
    save(tmp_path / "images" / "c" / "b.png", grey())
    target = tmp_path / "outside" / "a.png" if what == "file" else tmp_path / "outside"
    (tmp_path / "images" / "c" / "link.png").symlink_to(target)
    with pytest.raises(HandsonError, match=r"link.png is a link that leads out of the folder, to .*outside"):
        read(tmp_path / "images")


def test_links_in_the_folder_are_followed_once(tmp_path):
    save(tmp_path / "c" / "b.png", grey())
    (tmp_path / "c" / "a.png").symlink_to("b.png")
    (tmp_path / "d").symlink_to("c")
    (tmp_path / "c" / "gone.png").symlink_to("nothing.png")
    data = read(tmp_path)
    assert data.ids.tolist() == ["c/a.png", "c/b.png"]
    assert "1 link to a folder in this one" in data.notes[0]
    assert "1 link to nothing" in data.notes[0]


# Pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
def test_images_are_turned_as_their_exif_says(tmp_path, kind, orientation):
    pixels = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((16, 16), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / f"a.{kind}", pixels, exif=exif)
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    data = read(tmp_path)
    np.testing.assert_allclose(data.inputs[0, ..., 0].astype(int), expected.astype(int), atol=2)
    assert ("1 turned as their EXIF says" in data.notes[0]) == (orientation > 1)


def test_hidden_colours_do_not_show(tmp_path):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0] = [[10, 20, 30, 255], [200, 0, 0, 0], [100, 0, 0, 128]]
    save(tmp_path / "a.png", pixels)
    data = read(tmp_path)
    np.testing.assert_allclose(data.inputs[0, 0].astype(int), [[10, 20, 30], [255, 255, 255], [177, 127, 127]], atol=1)
    assert "1 with transparency, put on white" in data.notes[0]


@pytest.mark.parametrize("kind", ["grey", "palette", "key", "gif"])
def test_every_kind_of_transparency_is_white(tmp_path, kind):
    if kind == "grey":
        save(tmp_path / "a.png", Image.merge("LA", [Image.new("L", (2, 2), 50), Image.new("L", (2, 2), 0)]))
    elif kind == "palette":
        save(tmp_path / "a.png", Image.new("RGB", (2, 2), (200, 0, 0)).quantize(2), transparency=b"\0\0")
    elif kind == "key":
        save(tmp_path / "a.png", Image.new("RGB", (2, 2), (200, 0, 0)), transparency=(200, 0, 0))
    else:
        save(tmp_path / "a.gif", Image.new("RGB", (2, 2), (200, 0, 0)).quantize(2), transparency=0)
    assert (read(tmp_path).inputs == 255).all()


def test_palettes_are_colours(tmp_path):
    save(tmp_path / "a.png", Image.fromarray(np.full((2, 2, 3), (1, 2, 3), np.uint8)).quantize(4))
    np.testing.assert_array_equal(read(tmp_path).inputs[0, 0, 0], [1, 2, 3])


def test_inks_become_colours(tmp_path):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    save(tmp_path / "a.jpg", image, quality=100)
    data = read(tmp_path)
    np.testing.assert_allclose(data.inputs[0, 0, 0].astype(int), [255, 0, 0], atol=4)
    assert "CMYK" in data.notes[0]


def test_of_an_animation_the_first_frame_is_read_and_said_so(tmp_path):
    frames = [Image.new("L", (3, 3), value) for value in (9, 99)]
    save(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    data = read(tmp_path)
    assert (data.inputs == 9).all()
    assert "1 with several frames, of which the first is read" in data.notes[0]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("write", ["png", "tiff", "big-endian tiff"])
def test_sixteen_bits_keep_every_value(tmp_path, rng, write, channels):
    pixels = rng.integers(0, 65536, (6, 5, channels)).astype(np.uint16)
    if write == "png":
        deep_png(tmp_path / "a.png", pixels)
    elif channels == 1:
        save(tmp_path / "a.tif", pixels[..., 0])
    else:
        deep_tiff(tmp_path / "a.tif", pixels, "<" if write == "tiff" else ">")
    data = read(tmp_path)
    assert data.inputs.dtype == np.float32
    np.testing.assert_array_equal(data.inputs[0], pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_of_sixteen_bits_is_white(tmp_path, rng, channels):
    pixels = rng.integers(0, 65536, (6, 5, channels + 1)).astype(np.uint16)
    pixels[..., -1] = rng.choice([0, 65535], (6, 5))
    deep_png(tmp_path / "a.png", pixels)
    expected = np.where(pixels[..., -1:] == 0, 65535, pixels[..., :-1])
    np.testing.assert_array_equal(read(tmp_path).inputs[0], expected)


@pytest.mark.parametrize("hidden", [(5,), (5, 6, 7)])
def test_a_hidden_value_of_sixteen_bits_is_white(tmp_path, hidden):
    pixels = np.full((2, 2, len(hidden)), 300, np.uint16)
    pixels[0, 0] = hidden
    deep_png(tmp_path / "a.png", pixels, hidden)
    found = read(tmp_path).inputs[0]
    assert (found[0, 0] == 65535).all()
    assert (found[1] == 300).all()


def test_sixteen_bits_keep_their_values_when_they_are_resized(tmp_path):
    deep_png(tmp_path / "a.png", np.full((8, 8, 3), (258, 4000, 65535), np.uint16))
    np.testing.assert_allclose(read(tmp_path, image_shape=(3, 2)).inputs[0, 1, 1], [258, 4000, 65535], rtol=1e-6)


def test_deep_colours_that_would_be_cut_are_refused(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 65535\n" + bytes(6))
    with pytest.raises(HandsonError, match="a.ppm has more than 8 bits in each of its RGB values, and would be cut"):
        read(tmp_path)


# Sizes


@pytest.mark.parametrize("shape", [5, (0, 5), (4, 4, 1), (4.5, 4), "44", (True, 4), (-1, 4), (10**6, 10**6), ()])
def test_a_wrong_image_shape_names_what_the_folder_holds(tmp_path, shape):
    for name, size in {"a": (4, 6), "b": (5, 6), "c": (5, 6)}.items():
        save(tmp_path / f"{name}.png", grey(size=size))
    with pytest.raises(HandsonError, match=r"image_shape.*5x6 \(2\), 4x6 \(1\).*say image_shape=\(5, 6\)") as error:
        read(tmp_path, image_shape=shape)
    assert ".png" not in str(error.value)


def test_an_image_shape_that_is_the_first_one_resizes_the_others(tmp_path):
    save(tmp_path / "a.png", grey(size=(4, 6)))
    save(tmp_path / "b.png", grey(size=(5, 6)))
    assert read(tmp_path, image_shape=(4, 6)).inputs.shape == (2, 4, 6, 1)


def test_what_pillow_warns_of_is_an_error_with_a_name(tmp_path):
    save(tmp_path / "a.jpg", grey(), exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")
    with pytest.raises(HandsonError, match="a.jpg is not an image that can be read: .*EXIF"):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["png", "gif", "webp", "tif", "jpg"])
def test_bombs_are_refused_before_they_are_decoded(tmp_path, monkeypatch, kind):
    import handson.data.reading.containers.images as images
    import handson.data.reading.image_folders as folders

    monkeypatch.setattr(folders, "MOST_UNASKED", 1 << 20)
    monkeypatch.setattr(images, "read_pixels", None)
    options = {"tif": {"compression": "tiff_deflate"}, "jpg": {"quality": 1}}.get(kind, {})
    for number in range(3):
        save(tmp_path / f"{number}.{kind}", Image.new("RGB", (1200, 1200)), **options)
    with pytest.raises(HandsonError, match=r"holds 3 images .*unpacked to .*1200x1200 \(3\). Say image_shape=\("):
        read(tmp_path)


def test_an_image_shape_reads_images_that_are_flat(tmp_path, monkeypatch):
    import handson.data.reading.image_folders as folders

    monkeypatch.setattr(folders, "MOST_UNASKED", 1 << 16)
    save(tmp_path / "a.png", grey(9, (1000, 1000)))
    with pytest.raises(HandsonError, match="unpacked"):
        read(tmp_path)
    assert (read(tmp_path, image_shape=(10, 10)).inputs == 9).all()


@pytest.mark.parametrize("names", [("train", "test"), ("Train", "VALID"), ("training", "validation", "test")])
def test_folders_called_like_parts_of_a_split_are_no_classes(tmp_path, names):
    for name in names:
        save(tmp_path / name / "cat" / "1.png", grey())
    with pytest.raises(HandsonError, match="called like the parts of a split and not like classes: .* such as "):
        read(tmp_path)
    save(tmp_path / "cat" / "1.png", grey())  # beside others such a name may be a class
    assert read(tmp_path).classes == sorted([*names, "cat"])


def test_names_that_are_no_text_become_text(tmp_path):
    for folder in (b"caf\xe9", b"tea"):
        place = os.path.join(os.fsencode(tmp_path), folder)
        os.makedirs(place)
        Image.new("L", (4, 4)).save(os.fsdecode(os.path.join(place, b"\xff.png")))
    data = read(tmp_path)
    assert data.classes == ["caf\\xe9", "tea"]
    assert data.ids.tolist() == ["caf\\xe9/\\xff.png", "tea/\\xff.png"]
    assert np.asarray(data.inputs).shape == (2, 4, 4, 1)
