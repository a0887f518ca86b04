"""Each kind of file gives the values that its own library gives, and says what is wrong with it."""

import io
import pickle
import tarfile

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from handson.core.errors import HandsonError
from handson.data import read
from handson.data.rows import blocks
from handson.data.rows.stored import StoredRows

fits = pytest.importorskip("astropy.io.fits")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)


# FITS


def columns(rng, count=50):
    """Columns of every type of number that FITS has, scaled and not, some with missing values."""
    whole = rng.integers(0, 100, count)
    return [
        fits.Column("flag", "L", array=whole % 2 == 0),
        fits.Column("byte", "B", array=whole.astype("u1")),
        fits.Column("short", "I", array=whole.astype("i2") - 50),
        fits.Column("unsigned", "I", bzero=32768, array=whole.astype("u2") + 40000),
        fits.Column("null", "J", null=7, array=np.where(whole % 5 == 0, 7, whole)),
        fits.Column("long", "K", array=whole.astype("i8") << 20),
        fits.Column("single", "E", array=rng.normal(size=count)),
        fits.Column("double", "D", array=rng.normal(size=count)),
        fits.Column("name", "8A", array=[f"star{number}" for number in range(count)]),
    ]


@pytest.fixture
def catalogue(tmp_path, rng):
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns(rng))]).writeto(path)
    return path


NUMBERS = ["flag", "byte", "short", "unsigned", "null", "long", "single"]


@pytest.mark.parametrize("in_memory", [True, False])
def test_tables_of_fits_hold_what_astropy_says(catalogue, in_memory):
    data = read(catalogue, targets="double", inputs=NUMBERS, ids="name", in_memory=in_memory)
    assert isinstance(data.inputs, np.ndarray if in_memory else StoredRows)
    table = fits.getdata(catalogue, 1)
    expected = np.stack([np.asarray(table[name], "f8") for name in NUMBERS], 1)
    expected[table["null"] == 7, NUMBERS.index("null")] = np.nan
    assert np.array_equal(np.asarray(data.inputs), expected.astype("f4"), equal_nan=True)
    assert np.array_equal(data.targets[:, 0], table["double"].astype("f4"))
    assert data.ids.tolist() == table["name"].tolist()


@pytest.mark.parametrize("form", ["PE()", "QD()", "C", "3X"])
def test_columns_of_fits_that_hold_no_numbers_are_named_and_may_be_left_out(tmp_path, form):
    lists = np.empty(2, object)
    lists[:] = [np.arange(3.0), np.arange(5.0)]
    held = {"C": np.array([1j, 2]), "3X": np.ones((2, 3), bool)}.get(form, lists)
    found = [fits.Column("odd", form, array=held), *(fits.Column(name, "E", array=[1, 2]) for name in "ay")]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(found)]).writeto(tmp_path / "a.fits")
    for inputs in (None, ["odd", "a"]):
        with pytest.raises(HandsonError, match=r"a\.fits, column 'odd' holds no"):
            read(tmp_path / "a.fits", targets="y", inputs=inputs, in_memory=False)
    assert read(tmp_path / "a.fits", targets="y", inputs=["a"], in_memory=False).inputs[:].tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_images_of_fits_hold_what_astropy_says(tmp_path, rng, kind):
    images = (rng.random((7, 5, 4)) * 100).astype(kind)
    labels = np.arange(7, dtype="i2")
    fits.HDUList([fits.PrimaryHDU(images), fits.ImageHDU(labels, name="LABELS")]).writeto(tmp_path / "a.fits")
    data = read(tmp_path / "a.fits", targets="LABELS", classes="auto")
    assert data.kind == "images"
    assert np.array_equal(np.asarray(data.inputs)[..., 0], images.astype("u1" if kind == "u1" else "f4"))
    assert data.targets.tolist() == list(range(7))


def test_scaled_images_and_blank_pixels(tmp_path):
    unit = fits.PrimaryHDU(np.array([[[1, 2], [3, -1]]], "i2"))
    unit.header.update({"BSCALE": 0.5, "BZERO": 10.0, "BLANK": -1})
    unit.writeto(tmp_path / "a.fits")
    found = np.asarray(read(tmp_path / "a.fits").inputs)[0, ..., 0]
    expected = fits.getdata(tmp_path / "a.fits")[0]
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.isnan(found[1, 1])


def test_folders_of_fits_images(tmp_path, rng):
    images = rng.normal(size=(4, 6, 5)).astype("f4")
    for number, image in enumerate(images):
        folder = tmp_path / ("spiral" if number % 2 else "elliptical")
        folder.mkdir(exist_ok=True)
        fits.PrimaryHDU(image).writeto(folder / f"{number}.fits")
    data = read(tmp_path, in_memory=False)
    assert data.classes == ["elliptical", "spiral"]
    assert np.array_equal(np.asarray(data.inputs)[..., 0], images[[0, 2, 1, 3]])


def test_what_fits_cannot_give_is_said(tmp_path, catalogue, rng):
    content = catalogue.read_bytes()
    (tmp_path / "cut.fits").write_bytes(content[: len(content) // 2])
    with pytest.raises(HandsonError, match=r"cut\.fits"):
        read(tmp_path / "cut.fits", targets="double")
    image = fits.CompImageHDU(rng.normal(size=(3, 8, 8)).astype("f4"))
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "packed.fits")
    with pytest.raises(HandsonError, match=r"compressed inside, and is read once it is unpacked: funpack packed"):
        read(tmp_path / "packed.fits")
    (tmp_path / "a.fits.gz").write_bytes(b"x")
    with pytest.raises(HandsonError, match="gunzip a.fits.gz"):
        read(tmp_path / "a.fits.gz")
    with pytest.raises(HandsonError, match=r"has no column 'doubel'.*Did you mean 'double'"):
        read(catalogue, targets="doubel", in_memory=False)


# Folders of images, and tars


def png(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


@pytest.fixture
def pictures(rng):
    return rng.integers(0, 256, (12, 6, 5, 3)).astype("u1")


@pytest.fixture
def folder(tmp_path, pictures):
    for number, pixels in enumerate(pictures):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(pixels))
    return tmp_path / "images"


def test_images_that_stay_in_their_files(folder, pictures):
    stored, held = read(folder, in_memory=False), read(folder)
    assert isinstance(held.inputs, np.ndarray)
    assert np.array_equal(np.asarray(stored.inputs), held.inputs)
    assert np.array_equal(held.inputs, pictures[[*range(0, 12, 2), *range(1, 12, 2)]])
    assert (stored.classes, stored.targets.tolist()) == (held.classes, held.targets.tolist())
    assert np.array_equal(stored.rows(np.array([5, 1])).inputs[:], held.inputs[[5, 1]])


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("damage", [b"", b"not an image", 60])
def test_broken_images_are_named_or_left_out_and_counted(folder, damage, in_memory):
    path = folder / "a" / "04.png"
    path.write_bytes(path.read_bytes()[:damage] if isinstance(damage, int) else damage)
    with pytest.raises(HandsonError, match=r"04\.png is not an image that can be read"):
        np.asarray(read(folder, in_memory=in_memory).inputs)
    data = read(folder, in_memory=in_memory, skip_broken=True)
    assert len(data) == len(np.asarray(data.inputs)) == len(data.targets) == 11
    assert "a/04.png" not in data.ids
    assert any("1 " in note and "04.png" in note and "left out" in note for note in data.notes)


def test_a_folder_of_broken_images_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(HandsonError, match="no image can be read"):
        read(tmp_path, skip_broken=True)


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def shards(folder, pictures, with_classes=True, damage=None):
    folder.mkdir()
    for shard, numbers in enumerate(np.split(np.arange(len(pictures)), 3)):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for number in numbers:
                content = b"broken" if number == damage else png(pictures[number])
                add(tar, f"{number:03}.png" if with_classes else f"{'ab'[number % 2]}/{number:03}.png", content)
                if with_classes:
                    add(tar, f"{number:03}.cls", str(number % 3).encode())
                add(tar, f"{number:03}.json", b"{}")
    return folder


@pytest.mark.parametrize("with_classes", [True, False])
def test_shards_are_read_without_unpacking_them(tmp_path, pictures, with_classes):
    data = read(shards(tmp_path / "tars", pictures, with_classes))
    assert np.array_equal(np.asarray(data.inputs), pictures)
    assert np.array_equal(data.inputs.select(np.array([11, 0, 5]))[:], pictures[[11, 0, 5]])
    assert data.targets.tolist() == [number % (3 if with_classes else 2) for number in range(12)]
    assert data.classes == (["0", "1", "2"] if with_classes else ["a", "b"])
    assert "12 file ending in .json" in data.notes[0]
    one = read(tmp_path / "tars" / "1.tar", image_shape=(3, 3), in_memory=True)
    assert one.inputs.shape == (4, 3, 3, 3)


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize("damage", [0, 6])
def test_broken_samples_of_shards(tmp_path, pictures, monkeypatch, damage, block_bytes):
    """Each in a block of its own, or among others that can be read."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    path = shards(tmp_path / "tars", pictures, damage=damage)
    with pytest.raises(HandsonError, match=rf"{damage // 4}\.tar.00{damage}\.png is not an image that can be read"):
        np.asarray(read(path).inputs)
    data = read(path, skip_broken=True)
    assert np.array_equal(np.asarray(data.inputs), np.delete(pictures, damage, 0))
    assert np.array_equal(pickle.loads(pickle.dumps(data.inputs))[:], data.inputs[:])
    assert "left out 1 of 12 rows, which cannot be read; the first" in data.notes[-1]


def test_packed_shards_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w:gz") as tar:
        add(tar, "1.png", b"x")
    with pytest.raises(HandsonError, match=r"a\.tar is not a tar file that can be read"):
        read(tmp_path / "a.tar")


# HDF5 and Zarr


@pytest.mark.parametrize("kind", ["u1", "i2", ">i4", "i8", "f2", ">f4", "f8", "?"])
@pytest.mark.parametrize("chunks", [None, (7, 2), True])
def test_arrays_of_hdf5_of_every_type(tmp_path, rng, kind, chunks):
    x = (rng.random((40, 3)) * 100).astype(kind)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("deep/down", data=x, chunks=chunks)
        file["words"] = [b"a", b"b"] * 20
    data = read(tmp_path / "a.h5", "words", "deep/down")
    assert np.array_equal(np.asarray(data.inputs), x.astype("u1" if kind in ("u1", "?") else "f4"))
    assert data.classes == ["a", "b"]
    again = read(tmp_path / "a.h5", "words", "deep/down", in_memory=True)
    assert np.array_equal(again.inputs, np.asarray(data.inputs))


def test_broken_chunks_are_named_or_left_out(tmp_path, rng):
    x = rng.random((40, 3))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", data=x, chunks=(10, 3), compression="gzip")
        place = data.id.get_chunk_info(2).byte_offset
    with (tmp_path / "a.h5").open("rb+") as file:
        file.seek(place)
        file.write(b"\0" * 40)
    with pytest.raises(HandsonError, match=r"a\.h5, array 'x', rows 20 to 29: .*skip_broken=True"):
        np.asarray(read(tmp_path / "a.h5").inputs)
    data = read(tmp_path / "a.h5", skip_broken=True)
    assert np.array_equal(np.asarray(data.inputs), np.delete(x, slice(20, 30), 0).astype("f4"))
    assert "left out 10 of 40 rows" in data.notes[-1]


def virtual(file, other):
    layout = h5py.VirtualLayout((4, 2), "f8")
    layout[:] = h5py.VirtualSource(other, "x", (4, 2))
    file.create_virtual_dataset("x", layout)


def circle(file, other):
    file["a"] = file["b"] = file["/"]


packed = {"chunks": (1 << 17, 1024), "compression": "gzip"}
HOSTILE = {
    "external link": lambda file, other: file.update({"x": h5py.ExternalLink(other, "x")}),
    "soft link": lambda file, other: file.update({"x": h5py.SoftLink("/nowhere")}),
    "virtual": virtual,
    "external storage": lambda file, other: file.create_dataset("x", (4, 2), "f8", external=[(str(other), 0, 64)]),
    "objects": lambda file, other: file.create_dataset("x", (4,), h5py.vlen_dtype(np.float64)),
    "huge": lambda file, other: file.create_dataset("x", (1 << 40, 2), "f8", chunks=(1000, 2)),
    "huge chunk": lambda file, other: file.create_dataset("x", data=np.zeros((1 << 17, 1024), "u1"), **packed),
    "circle": circle,
    "scalar": lambda file, other: file.update({"x": 3.0}),
    "empty rows": lambda file, other: file.update({"x": np.zeros((4, 0))}),
}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("external link", "say which array"),
        ("soft link", "say which array"),
        ("virtual", "say which array"),
        ("external storage", "say which array"),
        ("objects", "holds values of the type object; expected numbers"),
        ("huge", "refused, as a file that was made to fill the memory"),
        ("huge chunk", "stored in blocks of 131,072 rows"),
        ("circle", "say which array"),
        ("scalar", "say which array"),
        ("empty rows", "holds nothing in its rows"),
    ],
)
def test_hostile_hdf5_is_refused(tmp_path, monkeypatch, what, message):
    monkeypatch.setattr(blocks, "MOST_BLOCK", 1 << 26)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones((4, 2))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        HOSTILE[what](file, tmp_path / "other.h5")
    with pytest.raises(HandsonError, match=message):
        read(tmp_path / "a.h5")


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_of_both_formats(tmp_path, rng, version):
    zarr = pytest.importorskip("zarr")
    x, y = rng.random((40, 4, 4)).astype("f4"), np.arange(40) % 3
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=version)
    shards = {"shards": (20, 4, 4)} if version == 3 else {}
    group.create_array("images", data=x, chunks=(10, 4, 2), **shards)
    group.create_array("deep/y", data=y)
    data = read(tmp_path / "a.zarr", "deep/y", classes="auto")
    assert np.diff(data.inputs.source.bounds)[0] == (20 if version == 3 else 10)
    assert np.array_equal(np.asarray(data.inputs), x)
    assert data.targets.tolist() == y.tolist()
    zarr.save_array(str(tmp_path / "one.zarr"), x)
    assert np.array_equal(read(tmp_path / "one.zarr", inputs="data").inputs[5:9], x[5:9])
    with pytest.raises(HandsonError, match=r"has no array 'image'.*Did you mean 'images'"):
        read(tmp_path / "a.zarr", inputs="image")


def test_hostile_zarr_is_refused(tmp_path, monkeypatch):
    zarr = pytest.importorskip("zarr")
    from handson.data.reading.containers import zarrs

    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("x", data=np.ones((4, 2)))
    group.create_array("huge", shape=(1 << 40, 2), chunks=(1000, 2), dtype="f8")
    with pytest.raises(HandsonError, match="made to fill the memory"):
        read(tmp_path / "a.zarr", inputs="huge")
    monkeypatch.setattr(zarrs, "CODECS", zarrs.CODECS - {"zstd"})
    with pytest.raises(HandsonError, match="is packed with 'zstd', which is not read"):
        read(tmp_path / "a.zarr")
    (tmp_path / "outside").mkdir()
    (tmp_path / "a.zarr" / "x").rename(tmp_path / "outside" / "x")
    (tmp_path / "a.zarr" / "x").symlink_to(tmp_path / "outside" / "x")
    with pytest.raises(HandsonError, match="is a link that leads out of the folder"):
        read(tmp_path / "a.zarr")


# Parquet


def test_what_parquet_folders_hold_beside_inputs(tmp_path, rng):
    frame = pd.DataFrame({"index": range(30), "a": rng.integers(0, 9, 30), "b": rng.random(30), "kind": ["x", "y"] * 15,
                          "group": np.arange(30) // 3})  # fmt: skip
    frame.loc[4, "b"] = np.nan
    (tmp_path / "t").mkdir()
    for number in range(3):
        part = frame[number * 10 : number * 10 + 10]
        part.to_parquet(tmp_path / "t" / f"{number}.parquet", index=False, row_group_size=4)
    data = read(tmp_path / "t", targets="kind", groups="group")
    assert (data.input_names, data.classes) == (["a", "b"], ["x", "y"])
    assert np.array_equal(data.ids, np.arange(30))
    assert np.array_equal(data.groups, frame["group"])
    assert np.array_equal(np.asarray(data.inputs), frame[["a", "b"]].to_numpy("f4"), equal_nan=True)
    whole = read(tmp_path / "t", targets="kind", groups="group", in_memory=True)
    assert np.array_equal(whole.inputs.astype("f4"), np.asarray(data.inputs), equal_nan=True)
    with pytest.raises(HandsonError, match="column 'kind' holds no numbers"):
        read(tmp_path / "t", targets="b")
    frame.rename(columns={"b": "c"}).to_parquet(tmp_path / "t" / "9.parquet", index=False)
    with pytest.raises(HandsonError, match=r"9\.parquet has other columns than .*0\.parquet: without 'b'"):
        read(tmp_path / "t", targets="kind")


def test_lists_in_parquet_are_images(tmp_path, rng):
    images = rng.integers(0, 255, (20, 16)).astype("u1")
    frame = pd.DataFrame({"image": list(images), "y": np.arange(20.0)})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=6)
    data = read(tmp_path / "a.parquet", in_memory=False)
    assert data.target_names == ["y"]
    assert np.array_equal(np.asarray(data.inputs), images.reshape(20, 4, 4, 1))
    assert np.array_equal(read(tmp_path / "a.parquet").inputs, images.reshape(20, 4, 4, 1))
    frame.at[13, "image"] = images[0, :9]
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=6)
    with pytest.raises(HandsonError, match="column 'image' holds lists of 9, 16 numbers"):
        np.asarray(read(tmp_path / "a.parquet", in_memory=False).inputs)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("a.csv", {"targets": "y", "in_memory": False}, "text table, which is read at once: leave in_memory=False out"),
        ("a.csv", {"targets": "y", "input_names": np.array(["a"])}, "input_names=.* has no meaning"),
        ("a.csv", {"targets": "y", "skip_broken": "no"}, "skip_broken is True or False; got 'no'"),
        ("a.npz", {"targets": ["y"]}, r"targets is the name of one array; got \['y'\]. Arrays: 'x', 'y'"),
        ("a.npz", {"in_memory": False}, "array 'x' is packed, and is read at once"),
        ("a.npz", {"window": 2}, "array 'x' is packed, and is read at once"),
        ("hidden", {"targets": "y"}, "only where names begin with '_' or '.'"),
        ("empty", {"targets": "y"}, "has no rows"),
        ("a.tar", {"image_shape": 3}, r"image_shape is \(height, width\).*got 3"),
        ("a.tar", {}, "0.cls holds b'cat'; expected the number of a class"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, name, arguments, message):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3,4\n")
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((4, 2)), y=np.zeros(4))
    frame = pd.DataFrame({"x": [1.0], "y": [2.0]})
    for place, part in (("hidden/_temporary", frame), ("empty", frame[:0])):
        (tmp_path / place).mkdir(parents=True)
        part.to_parquet(tmp_path / place / "0.parquet")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "0.png", png(np.zeros((4, 4, 3), "u1")))
        add(tar, "0.cls", b"1" if arguments else b"cat")
    with pytest.raises(HandsonError, match=message):
        read(tmp_path / name, **arguments)


def test_rows_with_a_window_stay_in_their_file_however_small(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((9, 2)))
    assert read(tmp_path / "a.npy", window=3).inputs.source.window == 3


@pytest.mark.parametrize("in_memory", [None, False])
def test_lists_of_different_lengths_in_fits_are_no_images(tmp_path, in_memory):
    lists = np.array([np.arange(3.0), np.arange(2.0), np.arange(4.0)], dtype=object)
    values = [fits.Column(name, "D", array=[1.0, 2, 3]) for name in "ay"]
    table = fits.BinTableHDU.from_columns([*values, fits.Column("v", "PD()", array=lists)])
    table.writeto(tmp_path / "a.fits")
    with pytest.raises(HandsonError, match=r"column 'v' holds .*Leave it out"):
        read(tmp_path / "a.fits", targets="y", in_memory=in_memory)
    assert len(read(tmp_path / "a.fits", targets="y", inputs=["a"], in_memory=in_memory)) == 3
