"""Checkpoints that were damaged or made to break the reader: they do not count, and the one before them does."""

import hashlib
import json
import os
import shutil

import pytest
import torch

from handson.training.recording import checkpoint

MANIFEST, STATE, TENSORS = checkpoint.MANIFEST, checkpoint.STATE, checkpoint.TENSORS


@pytest.fixture
def folder(tmp_path):
    """A good checkpoint; gives its folder."""
    tensors = {"weights/a": torch.arange(4.0)}
    return checkpoint.write(tmp_path, checkpoint.Snapshot(2, "epoch", tensors, {"position": 1}))


def sealed(folder, name, content):
    """Replace a file, and the manifest's account of it."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(manifest))


MANIFESTS = [
    "", "null", "[]", "5", '"x"', "{}", "[" * 100_000, '{"a":' * 100_000, "\xff", '{"schema": 1}', '{"schema": NaN}',
    '{"schema": 1, "files": []}', '{"schema": 1, "files": {"../x": {"size": 1, "sha256": ""}}}', "9" * 100_000,
    '{"schema": 1, "step": 1, "moment": "", "files": {"tensors.safetensors": null, "state.json": null}}',
    '{"schema": 1, "step": 1, "moment": "", "files": {"tensors.safetensors": "size", "state.json": 5}}',
    '{"schema": 1, "schema": 1}', " " * 1_000_000,
]  # fmt: skip


@pytest.fixture
def copies(folder, tmp_path):
    """Make copies of the checkpoint, each with another content of a file; gives their folders."""

    def copy(name, contents, seal=False):
        folders = []
        for number, content in enumerate(contents):
            folders.append(tmp_path / f"{name}-{number}")
            shutil.copytree(folder, folders[-1])
            (sealed(folders[-1], name, content) if seal else (folders[-1] / name).write_bytes(content))
        return folders

    return copy


def test_a_manifest_that_is_none_is_refused(refused, copies):
    refused("checkpoint", copies(MANIFEST, [text.encode("latin-1") for text in MANIFESTS]))


VALUES = [None, 10**400, -1, "x", ["x"], {"a": 1}, {TENSORS: {}, STATE: {}}, 1e308, "\0" * 99]


def test_a_manifest_with_something_else_in_it_is_refused(refused, folder, copies):
    manifest = json.loads((folder / MANIFEST).read_text())
    changed = [manifest | {key: value} for key in manifest for value in VALUES]
    for key in ("size", "sha256"):
        for value in VALUES:
            files = manifest["files"] | {STATE: manifest["files"][STATE] | {key: value}}
            changed.append(manifest | {"files": files})
    refused("checkpoint", copies(MANIFEST, [json.dumps(value).encode() for value in changed]))


def test_a_state_that_is_none_is_refused(refused, copies):
    states = [b"", b"\xff", b"null", b"[]", b"5", b"[" * 100_000]
    refused("checkpoint", copies(STATE, states, seal=True))


def test_tensors_that_are_none_are_refused(refused, copies):
    contents = [b"", bytes(100), b"\xff" * 100, b"\x02" + bytes(7) + b"{", bytes(8) + b"PK"]
    refused("checkpoint", copies(TENSORS, contents, seal=True))


@pytest.mark.parametrize("name", [MANIFEST, STATE, TENSORS])
def test_one_changed_bit_anywhere_is_found(survived, folder, tmp_path, name):
    content, copies = (folder / name).read_bytes(), []
    for place in range(0, len(content), 3):
        copies.append(tmp_path / f"copy-{place}")
        shutil.copytree(folder, copies[-1])
        changed = bytes([content[place] ^ (1 << place % 8)])
        (copies[-1] / name).write_bytes(content[:place] + changed + content[place + 1 :])
    outcomes = survived("checkpoint", copies)
    # In the manifest a bit may change the step, which the folder's name repeats.
    assert name == MANIFEST or all(outcome.error for outcome in outcomes)


def a_pipe(place, tmp_path):
    os.mkfifo(place)


def a_device(place, tmp_path):
    place.symlink_to("/dev/zero")


def a_file_elsewhere(place, tmp_path):
    place.symlink_to("/etc/passwd")


def a_folder(place, tmp_path):
    place.mkdir()


def a_circle(place, tmp_path):
    place.symlink_to(place)


@pytest.mark.parametrize("name", [MANIFEST, STATE, TENSORS])
@pytest.mark.parametrize("make", [a_pipe, a_device, a_file_elsewhere, a_folder, a_circle])
def test_other_things_in_the_place_of_a_file_are_not_read(refused, folder, tmp_path, name, make):
    (folder / name).unlink()
    make(folder / name, tmp_path)
    refused("checkpoint", folder)


def test_the_newest_whole_checkpoint_counts_whatever_is_beside_it(survived, folder, tmp_path):
    for number, name in enumerate([MANIFEST, STATE, TENSORS]):
        bad = tmp_path / f"step-{number + 3:010d}"
        shutil.copytree(folder, bad)
        (bad / name).unlink()
        os.mkfifo(bad / name)
    (tmp_path / "step-0000000009").mkdir()
    (tmp_path / "step-0000000008").symlink_to(tmp_path / "step-0000000008")
    (tmp_path / "step-99999999999").mkdir()
    (tmp_path / "step-\n\x1b[31m").mkdir()
    (outcome,) = survived("newest", tmp_path)
    assert outcome.value == "2"
