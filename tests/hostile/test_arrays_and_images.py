"""Array files and folders of images that were made to break the reader."""

import io
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

# 18: arrays


def npy(header, body=b"", version=(1, 0), length=None):
    """An '.npy' file of a header, as text."""
    text = header.encode() + b"\n"
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version[0] == 1 else "<I", size) + text + body


def said(shape="(2,)", descr="'<f8'", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"


def saved(array, pickled=False):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


ARRAYS = {
    "a huge shape": npy(said("(1000000000000,)"), bytes(16)),
    "an overflowing shape": npy(said("(4294967296, 4294967296, 2)"), bytes(16)),
    "a negative shape": npy(said("(-1,)"), bytes(16)),
    "a shape of fractions": npy(said("(1.5,)"), bytes(16)),
    "a shape of truth": npy(said("(True,)"), bytes(16)),
    "a shape of many axes": npy(said("(" + "1," * 100 + ")"), bytes(16)),
    "an empty huge shape": npy(said("(0, 1000000000000000000000)"), b""),
    "values of no size": npy(said("(1000000000000,)", "'|V0'"), b""),
    "words of no length": npy(said("(1000000000000,)", "'<U0'"), b""),
    "an expression": npy("__import__('os').system('touch canary')"),
    "an expression in the shape": npy(said("__import__('os').getpid()")),
    "a deep header": npy("(" * 30_000),
    "a deep shape": npy(said("(" * 300 + "1" + ",)" * 300)),
    "a long header": npy(said() + " " * 60_000, bytes(16)),
    "a header of a gigabyte": npy(said(), bytes(16), (2, 0), 1 << 30),
    "a header that ends": npy(said()[:20]),
    "no header": b"\x93NUMPY\x01\x00",
    "version 99": npy(said(), bytes(16), (99, 0)),
    "version 3": npy(said(), bytes(16), (3, 0)),
    "another order": npy(said(order="'C'"), bytes(16)),
    "objects": saved(np.array([print, os], dtype=object)[:0], pickled=True),
    "pickled objects": saved(np.array([{"a": 1}], dtype=object), pickled=True),
    "records": saved(np.zeros(3, [("a", "f4"), ("b", "O")])[:0], pickled=True),
    "records of numbers": saved(np.zeros(3, [("a", "f4"), ("b", "f8")])),
    "a type that is none": npy(said(descr="'<q99'"), bytes(16)),
    "a type inside of itself": npy(said(descr="[('a', " * 50 + "'<f4'" + ")]" * 50), bytes(16)),
    "a type of many fields": npy(said(descr="[" + "('', '<f4')," * 4000 + "]"), bytes(16)),
    "a type with a shape": npy(said(descr="('<f4', (100000, 100000))"), bytes(16)),
    "dates": saved(np.zeros(3, "M8[s]")),
    "complex numbers": saved(np.zeros((3, 2), "c8")),
    "a body that ends": saved(np.zeros((3, 2)))[:-1],
}
READ = {
    "big endian": saved(np.ones((3, 2), ">f8")),
    "half": saved(np.ones((3, 2), "f2")),
    "fortran": saved(np.asfortranarray(np.ones((3, 2)))),
}


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_hostile_arrays_are_refused(refused, tmp_path, suffix):
    paths = [tmp_path / f"{kind}{suffix}" for kind in ARRAYS]
    for path, content in zip(paths, ARRAYS.values(), strict=True):
        if suffix == ".npy":
            path.write_bytes(content)
        else:
            archive_of(path, [("x.npy", content)], zipfile.ZIP_STORED)
    refused("array", paths)


@pytest.mark.parametrize("kind", READ)
def test_unusual_arrays_of_numbers_are_read(survived, tmp_path, kind):
    (tmp_path / "a.npy").write_bytes(READ[kind])
    assert survived("array", tmp_path / "a.npy")[0].value == "[[3, 2], 'float32']"


def archive_of(place, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(place, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)


def a_bomb(place):
    archive_of(place, [("x.npy", npy(said("(167772160,)", "'|u1'"), bytes(160 << 20)))])


def a_long_member(place):
    archive_of(place, [("x.npy", npy(said("(1073741824,)", "'|u1'"), bytes(300 << 20)))])


def many_members(place):
    archive_of(place, [(f"a{number}.npy", b"") for number in range(5_000)], zipfile.ZIP_STORED)


def names_elsewhere(place):
    archive_of(place, [("../../x.npy", saved(np.zeros(3))), ("/x.npy", saved(np.zeros(3))), ("C:\\x.npy", b"")])


def a_wrong_checksum(place):
    archive_of(place, [("x.npy", saved(np.zeros(3)))], zipfile.ZIP_STORED)
    content = place.read_bytes()
    place.write_bytes(content.replace(struct.pack("<d", 0.0) * 3, struct.pack("<d", 1.0) * 3))


def an_encrypted_member(place):
    archive_of(place, [("x.npy", saved(np.zeros(3)))], zipfile.ZIP_STORED)
    content = bytearray(place.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    place.write_bytes(content)


def something_else(place):
    archive_of(place, [("x.npy", b"cos\nsystem\n(S'touch canary'\ntR.")])


@pytest.mark.parametrize(
    "make",
    [a_bomb, a_long_member, many_members, names_elsewhere, a_wrong_checksum, an_encrypted_member, something_else],
)
def test_hostile_archives_are_refused(refused, tmp_path, make):
    make(tmp_path / "bad.npz")
    refused("array", tmp_path / "bad.npz")


def test_two_members_of_one_name_are_one_array(survived, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        archive_of(tmp_path / "bad.npz", [("x.npy", saved(np.zeros(2))), ("x.npy", saved(np.zeros(3)))])
    survived("array", tmp_path / "bad.npz")


# 17: images


def png(width, height, *chunks):
    """A PNG file with chunks and no pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + size + b"".join(chunk(*each) for each in chunks) + chunk(b"IEND", b"")


def picture(kind, size=(8, 8), **settings):
    file = io.BytesIO()
    Image.new("L", size).save(file, kind, **settings)
    return file.getvalue()


def frames(kind, count):
    file = io.BytesIO()
    others = [Image.new("L", (8, 8), number % 256) for number in range(count)]
    others[0].save(file, kind, save_all=True, append_images=others[1:])
    return file.getvalue()


def tiff(entries, following):
    """A TIFF file with a directory that says which one follows."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + body + struct.pack("<I", following)


TEXT = b"a\0\0" + zlib.compress(bytes(300 << 20))
IMAGES = {
    "huge.png": png(65_535, 65_535),
    "wider.png": png(2**31 - 1, 1),
    "widest.png": png(2**32 - 1, 2**32 - 1),
    "nothing.png": png(0, 0),
    "text.png": png(8, 8, (b"zTXt", TEXT)),
    "profile.png": png(8, 8, (b"iCCP", TEXT)),
    "short.png": png(4000, 4000, (b"IDAT", zlib.compress(b""))),
    "script.svg.png": b"<svg onload='alert(1)'/>",
    "postscript.png": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n",
    "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n",
    "truncated.jpg": picture("JPEG")[:200],
    "huge.jpg": picture("JPEG").replace(b"\x00\x0b\x08\x00\x08\x00\x08", b"\x00\x0b\x08\xff\xff\xff\xff"),
    "huge.bmp": b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "huge.gif": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + bytes(64),
    "circle.tif": tiff([(256, 3, 1, 8), (257, 3, 1, 8)], 8),
    "huge.tif": tiff([(256, 4, 1, 2**31 - 1), (257, 4, 1, 2**31 - 1), (258, 3, 1, 8), (273, 4, 1, 8)], 0),
    "many.tif": tiff([(256, 4, 2**31 - 1, 8), (257, 4, 1, 8), (273, 4, 2**31 - 1, 8)], 0),
    "pickle.png": b"cos\nsystem\n(S'touch canary'\ntR.",
    "empty.png": b"",
    "fits.tif": b"SIMPLE  =                    T",
}  # fmt: skip


def test_hostile_images_are_refused(watch, tmp_path):
    folders = [tmp_path / f"of {name}" for name in IMAGES]
    for folder, (name, content) in zip(folders, IMAGES.items(), strict=True):
        folder.mkdir()
        (folder / name).write_bytes(content)
    for name, outcome in zip(IMAGES, watch("array", folders, folder=tmp_path), strict=True):
        assert "HandsonError" in outcome.bases, (name, outcome)
        assert f"{name} " in outcome.message, outcome


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [("a.gif", "GIF", 300), ("a.webp", "WEBP", 200), ("a.tif", "TIFF", 200), ("a.png", "PNG", 500)],
)
def test_of_many_frames_only_the_first_is_read(survived, tmp_path, name, kind, count):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / name).write_bytes(frames(kind, count))
    (outcome,) = survived("array", folder)
    assert (outcome.value or "").startswith("[[1, 8, 8, "), outcome


def test_a_folder_of_many_large_images_is_refused_before_they_are_read(refused, tmp_path):
    """Each is below the limit of one image, and all together would fill the memory."""
    folder = tmp_path / "images"
    folder.mkdir()
    content = picture("PNG", (6_000, 6_000), compress_level=1)
    for number in range(2_000):
        (folder / f"{number}.png").symlink_to(folder / "0.png") if number else (folder / "0.png").write_bytes(content)
    refused("array", folder)


def test_pixels_that_nobody_declared_are_not_unpacked(survived, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "bomb.png").write_bytes(png(8, 8, (b"IDAT", zlib.compress(bytes(200 << 20), 1))))
    survived("array", folder)


# 22: folders


def test_hostile_folders_are_read_or_refused(survived, tmp_path):
    folder = tmp_path / "images"
    (folder / "class").mkdir(parents=True)
    (folder / "class" / "a.png").write_bytes(picture("PNG"))
    (folder / "circle").symlink_to(folder)
    (folder / "itself").symlink_to(folder / "itself")
    (folder / "nothing.png").symlink_to("/nowhere")
    (folder / "class" / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "class" / "pipe.png")
    (folder / "class" / "folder.png").mkdir()
    (outcome,) = survived("array", folder)
    assert outcome.value == "[[1, 8, 8, 1], 'uint8']"


def test_names_with_newlines_and_codes_of_terminals_are_shown_as_text(watch, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a\n\x1b[31mFAKE: all is well\x1b[0m.png").write_bytes(b"x")
    (outcome,) = watch("array", [folder], folder=tmp_path)
    assert "HandsonError" in outcome.bases
    assert "\x1b" not in outcome.message


@pytest.mark.parametrize(("mode", "count"), [("L", 12), ("RGB", 1), ("RGB", 12), ("I;16", 12)])
def test_a_few_small_files_of_huge_images_are_refused(refused, tmp_path, mode, count):
    folder = tmp_path / "images"
    folder.mkdir()
    file = io.BytesIO()
    Image.new(mode, (7_000, 7_000)).save(file, "PNG", compress_level=9)
    for number in range(count):
        (folder / f"{number}.png").write_bytes(file.getvalue())
    refused("array", folder)
