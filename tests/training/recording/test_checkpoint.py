"""A checkpoint is whole or does not count: what is cut off, flipped or missing is found, and the older one loads."""

import errno
import json
import os
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.files import atomic, tensor_file
from handson.training.recording import checkpoint
from handson.training.recording.checkpoint import MANIFEST, STATE, TENSORS, DamagedCheckpoint, Snapshot

FILES = (TENSORS, STATE, MANIFEST)


def snapshot(step=7, moment="", value=1.0):
    tensors = {"weights/a": torch.full((2, 3), value), "optimizer/m/a": torch.arange(5.0), "empty": torch.zeros(0)}
    return Snapshot(step, moment, tensors, {"position": {"epoch": 1, "step": step}, "loss": value})


@pytest.fixture
def folder(tmp_path):
    """A checkpoint, and an older one beside it."""
    checkpoint.write(tmp_path, snapshot(3, "epoch"))
    return checkpoint.write(tmp_path, snapshot())


def names(parent):
    return [path.name for path in checkpoint.generations(parent)]


def check_older_loads(folder, told_of):
    """The damage is found, by reading and by verifying; the older generation loads, and the user is told."""
    with pytest.raises(DamagedCheckpoint, match=told_of.replace(".", r"\.")):
        checkpoint.verify(folder)
    told = []
    found = checkpoint.newest(folder.parent, told.append)
    assert (found.step, found.moment) == (3, "epoch")
    assert told_of in told[0]
    assert told[0].startswith(f"checkpoint {folder.name} does not count: ")
    assert told[1] == "checkpoint step-0000000003-epoch is whole, and takes its place."


# What is written is read


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.none() | st.booleans() | st.text()
values = st.recursive(
    numbers, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
kinds = st.sampled_from(
    [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)


@settings(deadline=None, max_examples=40)
@given(values=st.dictionaries(st.text(), values, max_size=4), kind=kinds, shape=st.lists(st.integers(0, 3), max_size=3))
def test_what_is_written_is_read(tmp_path_factory, values, kind, shape):
    parent = tmp_path_factory.mktemp("checkpoints")
    tensor = (torch.rand(shape) * 100).to(kind)
    found = checkpoint.read(checkpoint.write(parent, Snapshot(5, "finished", {"t": tensor}, values)))
    assert (found.step, found.moment, repr(found.values)) == (5, "finished", repr(values))
    assert found.tensors["t"].dtype == kind
    assert torch.equal(found.tensors["t"], tensor)


def test_tensors_that_share_memory_or_are_not_contiguous(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    shared = checkpoint.copy_tensors({"a": whole, "b": whole, "c": whole.T, "d": whole[1:]})
    found = checkpoint.read(checkpoint.write(tmp_path, Snapshot(1, "", shared, {}))).tensors
    assert all(torch.equal(found[name], tensor) for name, tensor in shared.items())


def test_a_copy_is_not_changed_by_training():
    weight = torch.nn.Parameter(torch.zeros(3))
    copy = checkpoint.copy_tensors({"w": weight})
    with torch.no_grad():
        weight += 1
    assert copy["w"].tolist() == [0, 0, 0]
    assert not copy["w"].requires_grad


def test_the_names_sort_like_the_moments(tmp_path):
    for step, moment in [(10, ""), (9, "epoch"), (10, "finished"), (9, ""), (10, "epoch"), (123456789012, "")]:
        checkpoint.write(tmp_path, snapshot(step, moment)) if step < 1e10 else None
    (tmp_path / "step-5").mkdir()
    (tmp_path / "step-0000000099-epoch.txt").touch()
    assert names(tmp_path) == [
        "step-0000000010-finished", "step-0000000010-epoch", "step-0000000010", "step-0000000009-epoch",
        "step-0000000009",
    ]  # fmt: skip


def test_the_manifest_is_written_last(tmp_path, monkeypatch):
    written, replace = [], atomic.disk.replace
    monkeypatch.setattr(atomic.disk, "replace", lambda a, b: (written.append(b.name), replace(a, b)))
    checkpoint.write(tmp_path, snapshot())
    assert written == [TENSORS, STATE, MANIFEST]


def test_a_checkpoint_that_is_there_is_not_written_again(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert checkpoint.write(folder.parent, snapshot()) == folder
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_what_an_interrupted_write_left_is_written_anew(folder):
    (folder / MANIFEST).unlink()
    (folder / ".state.json.99.part").write_text("half")
    checkpoint.write(folder.parent, snapshot(value=2.0))
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert checkpoint.read(folder).values["loss"] == 2.0


# Damage


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_found(folder, name):
    """All of the manifest, which has no hash of its own; one in every byte of the others."""
    whole = (folder / name).read_bytes()
    for position in range(len(whole)):
        for bit in (1 << number for number in (range(8) if name == MANIFEST else [position % 8])):
            changed = bytearray(whole)
            changed[position] ^= bit
            (folder / name).write_bytes(changed)
            with pytest.raises(DamagedCheckpoint, match=str(folder)):
                checkpoint.read(folder)
    check_older_loads(folder, str(folder))


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_found(folder, name):
    whole = (folder / name).read_bytes()
    for length in range(len(whole)):
        (folder / name).write_bytes(whole[:length])
        with pytest.raises(DamagedCheckpoint, match=str(folder / name)):
            checkpoint.read(folder)
    check_older_loads(folder, str(folder / name))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "longer", "a folder", "swapped", "unreadable"])
def test_other_damage_is_found(folder, name, damage):
    path = folder / name
    whole = path.read_bytes()
    path.unlink()
    if damage == "longer":
        path.write_bytes(whole + b" x")
    elif damage == "a folder":
        path.mkdir()
    elif damage == "swapped":
        shutil.copy(folder.parent / "step-0000000003-epoch" / name, path)
        if path.read_bytes() == whole:
            pytest.skip("the two checkpoints have this file in common")
    elif damage == "unreadable":
        path.symlink_to("nowhere")
    check_older_loads(folder, str(folder))


def test_a_checkpoint_under_another_name_does_not_count(folder):
    os.rename(folder, folder.with_name("step-0000000009"))
    check_older_loads(folder.with_name("step-0000000009"), MANIFEST)


def test_a_checkpoint_of_a_later_version_is_named(folder):
    manifest = json.loads((folder / MANIFEST).read_text()) | {"schema": 2}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(DamagedCheckpoint, match=r"or of another version \(schema 2; this one is 1\)"):
        checkpoint.read(folder)


def test_when_none_is_whole_that_is_said(folder):
    for path in checkpoint.generations(folder.parent):
        (path / STATE).unlink()
    told = []
    assert checkpoint.newest(folder.parent, told.append) is None
    assert told[-1] == f"no checkpoint in {folder.parent} is whole."
    assert checkpoint.newest(folder.parent / "nowhere", pytest.fail) is None


# Going back


@pytest.fixture
def many(tmp_path):
    parent = tmp_path / "run" / "checkpoints"
    for step, moment in [(2, ""), (4, "epoch"), (5, ""), (8, "epoch"), (8, "finished")]:
        checkpoint.write(parent, snapshot(step, moment))
    return parent


@pytest.mark.parametrize(("to", "step", "left"), [(8, 8, 5), (7, 5, 3), (5, 5, 3), (4, 4, 2), (3, 2, 1), (2, 2, 1)])
def test_rewinding_sets_the_later_ones_aside(many, to, step, left):
    before = names(many)
    assert checkpoint.rewind(many, to) == step
    assert names(many) == before[-left:]
    aside = many / checkpoint.ASIDE
    assert names(aside) == before[:-left]
    for folder in checkpoint.generations(aside):
        checkpoint.verify(folder)


def test_rewinding_passes_over_what_is_damaged(many, capsys):
    (many / "step-0000000005" / STATE).write_text("{}")
    assert checkpoint.rewind(many, 6) == 4
    assert "step-0000000005 does not count" in capsys.readouterr().out
    assert names(many) == ["step-0000000004-epoch", "step-0000000002"]


def test_rewinding_twice_with_the_same_steps_again(many):
    checkpoint.rewind(many, 5)
    checkpoint.write(many, snapshot(8, "epoch", value=9.0))
    checkpoint.rewind(many, 5)
    assert checkpoint.read(many / checkpoint.ASIDE / "step-0000000008-epoch").values["loss"] == 9.0


def test_a_step_before_all_checkpoints_is_refused_and_they_are_listed(many):
    with pytest.raises(HandsonError, match=r"run has no checkpoint at or before step 1; its checkpoints: 2, 4, 5, 8"):
        checkpoint.rewind(many, 1)
    with pytest.raises(HandsonError, match=r"no checkpoint at or before step 1; its checkpoints: none"):
        checkpoint.rewind(many.parent / "nothing", 1)


# A disk that fails


class Failing(atomic.Disk):
    """The k-th operation fails as on a full disk, and all after it if it stays full; a write leaves a half."""

    def __init__(self, number, lasting=False):
        self.number, self.lasting, self.count, self.failed = number, lasting, 0, None

    def _do(self, name, path, *others):
        self.count += 1
        if self.count == self.number or (self.lasting and self.count > self.number):
            self.failed = self.failed or (name, path)
            if name == "write":
                path.write_bytes(b"".join(others[0])[:5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return getattr(atomic.Disk, name)(self, path, *others)

    def write(self, path, pieces):
        self._do("write", path, pieces)

    def append(self, path, piece):
        self._do("append", path, piece)

    def sync(self, path):
        self._do("sync", path)

    def replace(self, source, target):
        self._do("replace", source, target)

    def sync_folder(self, folder):
        self._do("sync_folder", folder)

    def make_folder(self, folder):
        self._do("make_folder", folder)

    def remove(self, path):
        self._do("remove", path)


def operations(monkeypatch, parent):
    """How many operations a checkpoint takes."""
    disk = Failing(0)
    monkeypatch.setattr(atomic, "disk", disk)
    checkpoint.write(parent, snapshot())
    return disk.count


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_whatever_fails_the_older_one_loads_and_the_file_is_named(tmp_path, monkeypatch, lasting):
    count = operations(monkeypatch, tmp_path / "counted")
    assert count >= 3 * 4 + 3
    for number in range(1, count + 1):
        parent = tmp_path / str(number)
        monkeypatch.setattr(atomic, "disk", atomic.Disk())
        checkpoint.write(parent, snapshot(3, "epoch"))
        disk = Failing(number, lasting)
        monkeypatch.setattr(atomic, "disk", disk)
        with pytest.raises(OSError, match="No space left on device") as caught:
            checkpoint.write(parent, snapshot())
        assert caught.value.errno == errno.ENOSPC
        name = disk.failed[1].name.removeprefix(".").removesuffix(f".{os.getpid()}.part")
        named = parent / "step-0000000007" if disk.failed[0] == "remove" else name
        assert str(named) in str(caught.value), disk.failed
        monkeypatch.setattr(atomic, "disk", atomic.Disk())
        left = checkpoint.newest(parent, lambda text: None).step
        assert left == 3 or (lasting and number >= count - 1), "a last flush failed, and so did removing what was whole"
        assert checkpoint.read(checkpoint.write(parent, snapshot())).step == 7  # it can be written afterwards


def test_without_memory_nothing_is_left_behind(tmp_path, monkeypatch):
    def scarce(tensors, metadata):
        raise MemoryError

    monkeypatch.setattr(tensor_file, "pieces", scarce)
    with pytest.raises(MemoryError):
        checkpoint.write(tmp_path, snapshot())
    assert list(tmp_path.iterdir()) == []
