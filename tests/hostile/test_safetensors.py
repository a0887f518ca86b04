"""Other formats under the name of a model, and files of tensors that are not what their header says."""

import json
import os
import pickle
import struct
import tarfile
import zipfile

import pytest
import torch
from safetensors.torch import save as to_safetensors

from handson.files.tensor_file import checksum

from .files import Payload, assemble, header

# 1, 12, 13: other formats under the name of a model


def a_pickle(place, canary):
    place.write_bytes(pickle.dumps(Payload(canary)))


def a_checkpoint_of_torch(place, canary):
    torch.save(Payload(canary), place)


def a_zip(place, canary):
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("config.json", '{"class_name": "Lambda", "config": {"function": "os.system"}}')
        archive.writestr("../../escaped", "x")


def a_zip_bomb(place, canary):
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(8 << 20))


def a_tar(place, canary):
    with tarfile.open(place, "w:gz") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(canary)
        archive.addfile(link)


def hdf5(place, canary):
    place.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


def nothing(place, canary):
    place.write_bytes(b"")


FORMATS = [a_pickle, a_checkpoint_of_torch, a_zip, a_zip_bomb, a_tar, hdf5, nothing]


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("name", ["bad.handson", "bad.safetensors", "bad.h5"])
def test_other_formats_are_refused_by_what_they_hold(refused, tmp_path, make, name):
    make(tmp_path / name, tmp_path / "canary")
    loader = "model" if name.endswith("handson") else "weights"
    refused(loader, tmp_path / name, may_start=name.endswith(".h5"))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".joblib", ".zip", ".tar.gz", ".npz", ".onnx", ""])
@pytest.mark.parametrize("loader", ["model", "weights"])
def test_other_endings_are_refused_with_the_way_out(refused, tmp_path, loader, suffix):
    a_pickle(tmp_path / f"bad{suffix}", tmp_path / "canary")
    assert "'.handson'" in refused(loader, tmp_path / f"bad{suffix}")


# 8, 9: the header


def entry(name, shape, start, end, dtype="F32"):
    return {name: {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}}


def with_entries(good, *entries, more=b""):
    """A good file with other or further entries of tensors, and further bytes."""
    head, rest = header(good)
    for each in entries:
        head |= each
    return assemble(head, rest + more)


def lengths(good):
    for length in (2**63, 2**64 - 1, len(good), len(good) * 2, 0, 1, 100_000_001, 99_999_999):
        yield struct.pack("<Q", length) + good[8:]


def headers(good):
    text, rest = json.dumps(header(good)[0]).encode(), header(good)[1]
    for bad in (
        b"",
        b"null",
        b"[]",
        b"[" * 100_000,
        b"\xff" * 100,
        text[:-1],
        text * 2,
    ):
        yield assemble(bad, rest)
    yield assemble(b'{"a": 1, "a": 2}', rest)
    yield assemble(text[:-1] + b"," + text[1:], rest)
    yield assemble(b'{"__metadata__": {"format": "handson-model", "schema": "1", "model": "{}"}}')
    yield assemble(b'{"__metadata__": {"format": ["handson-model"], "schema": 1}}')


def offsets(good):
    end = len(header(good)[1])
    name = "weights/first.bias"
    for start, stop in [
        (0, 12),
        (end, end + 12),
        (end - 4, end + 8),
        (-12, 0),
        (12, 0),
        (2**63, 2**63 + 12),
        (0, 2**64 - 1),
    ]:
        yield with_entries(good, entry(name, [3], start, stop))
        yield with_entries(good, entry("other", [3], start, stop))
    yield with_entries(good, entry("other", [3], end + 100, end + 112), more=bytes(112))
    for shape in ([2**32, 2**32], [2**63], [-1], [10**400], [1.5], ["3"], [[3]], [2] * 100_000, [0, 2**63, 2**63], [4]):
        yield with_entries(good, entry(name, shape, end, end + 12), more=bytes(12))
        yield with_entries(good, entry("other", shape, end, end + 12), more=bytes(12))
    for dtype in ("F128", "O", "object", "", None, 5, "I8", "BOOL", "C64", "U64"):
        yield with_entries(good, entry("other", [3], end, end + 12, dtype), more=bytes(12))


def many_tensors(good):
    head, rest = header(good)
    empty = {f"weights/{number}": entry("a", [0], 0, 0)["a"] for number in range(40_000)}
    yield assemble(head | empty, rest)
    single = {}
    for number in range(10_001):
        single |= entry(f"weights/{number}", [1], len(rest) + number, len(rest) + number + 1, "U8")
    yield assemble(head | single, rest + bytes(10_001))


def trailing(good):
    yield good + b"PK\x03\x04"
    yield good + good
    yield b"PK\x03\x04" + good


def truncated(good):
    length = len(good) - len(header(good)[1])
    for end in [*range(0, 64), *range(64, length, 61), *range(length - 8, len(good), 7), len(good) - 1]:
        yield good[:end]


@pytest.mark.parametrize("make", [lengths, headers, offsets, many_tensors, trailing, truncated])
@pytest.mark.parametrize("loader", ["model", "weights"])
def test_files_that_are_not_what_their_header_says_are_refused(refused, tmp_path, good, loader, make):
    paths = []
    for number, content in enumerate(make(good)):
        paths.append(tmp_path / f"bad-{number}{'.handson' if loader == 'model' else '.safetensors'}")
        paths[-1].write_bytes(content)
    refused(loader, paths)


# 10: the tensors


def tensors_of(good):
    from safetensors.torch import load

    return load(good), header(good)[0]["__metadata__"]


CHANGES = {
    "missing": lambda held: held.pop("weights/first.bias"),
    "extra": lambda held: held.update({"weights/first.more": torch.zeros(3)}),
    "swapped": lambda held: held.update(
        {"weights/first.bias": held["weights/last.kernel"], "weights/last.kernel": held["weights/first.bias"]}
    ),
    "transposed": lambda held: held.update({"weights/first.kernel": held["weights/first.kernel"].T.contiguous()}),
    "doubles": lambda held: held.update({"weights/first.bias": torch.zeros(3, dtype=torch.float64)}),
    "whole numbers": lambda held: held.update({"weights/first.bias": torch.zeros(3, dtype=torch.int64)}),
    "bytes": lambda held: held.update({"weights/first.bias": torch.zeros(3, dtype=torch.uint8)}),
    "complex": lambda held: held.update({"weights/first.bias": torch.zeros(3, dtype=torch.complex64)}),
    "bytes in a slot": lambda held: held.update({"optimizer/momentum/first.bias": torch.zeros(3, dtype=torch.uint8)}),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_tensors_that_do_not_fit_are_refused(refused, tmp_path, good, kind):
    held, said = tensors_of(good)
    CHANGES[kind](held)
    (tmp_path / "bad.handson").write_bytes(to_safetensors(held, said))
    refused("model", tmp_path / "bad.handson")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e-42])
def test_values_that_are_no_numbers_are_read_as_they_are(survived, tmp_path, good, value):
    held, said = tensors_of(good)
    for tensor in held.values():
        tensor.fill_(value)
    said["crc32"] = checksum(held, said["model"])
    (tmp_path / "bad.handson").write_bytes(to_safetensors(held, said))
    assert survived("predict", tmp_path / "bad.handson")[0].error is None


# 15: other things than files


def a_folder(place):
    place.mkdir()


def a_pipe(place):
    os.mkfifo(place)


def a_device(place):
    place.symlink_to("/dev/zero")


def an_endless_text(place):
    place.symlink_to("/dev/urandom")


def a_link_to_itself(place):
    place.symlink_to(place)


def a_link_to_nothing(place):
    place.symlink_to("/nowhere")


@pytest.mark.parametrize("make", [a_folder, a_pipe, a_device, an_endless_text, a_link_to_itself, a_link_to_nothing])
@pytest.mark.parametrize("name", ["bad.handson", "bad.safetensors", "bad.h5"])
def test_what_is_no_file_is_not_opened(refused, tmp_path, name, make):
    make(tmp_path / name)
    refused("model" if name.endswith("handson") else "weights", tmp_path / name)


@pytest.mark.parametrize("name", ["a\x00b.handson", "x" * 300 + ".handson", "../" * 1500 + "a.handson"])
def test_paths_that_make_no_sense_are_refused(survived, name):
    assert survived("model", name)[0].error
