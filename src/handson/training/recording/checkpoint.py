"""Checkpoints: everything that a run needs to go on, in one folder that is either whole or not there.

A checkpoint holds tensors.safetensors, state.json and manifest.json. The manifest has the sizes and SHA-256 of the
other two and is written last: it is the commit mark. A folder without a manifest, or with a file that does not match
it, is no checkpoint, and the one before it counts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from handson.core import regular
from handson.core.errors import HandsonError
from handson.files import atomic, tensor_file

SCHEMA = 1
# Several times what one has.
MOST_MANIFEST = 4096
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
# Where checkpoints go that no longer count: damaged ones, and those after the step that a run was brought back to.
ASIDE = "set-aside"
Pieces = Sequence[bytes | memoryview]


class DamagedCheckpoint(HandsonError):
    """A checkpoint is not what its manifest says; the message names the file."""


@dataclass
class Snapshot:
    """What a checkpoint holds.

    Attributes
    ----------
    step : int
        Optimizer steps since the net was compiled.
    moment : {'', 'epoch', 'finished'}
        After a step, after the end of an epoch, or after the end of the training.
    tensors : dict of str to Tensor
        Weights, optimizer slots, tensors of callbacks; copies that training does not change.
    values : dict
        JSON: position, sums, history, state of optimizer and callbacks.
    """

    step: int
    moment: str
    tensors: dict[str, Tensor]
    values: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the checkpoint's folder; names sort like the moments they are about."""
        return name_of(self.step, self.moment)


NAME = re.compile(r"step-(\d{10})(?:-(epoch|finished))?")


def name_of(step: int, moment: str) -> str:
    """The name of the folder for a step and moment.

    Examples
    --------
    >>> name_of(120, "epoch")
    'step-0000000120-epoch'
    """
    return f"step-{step:010d}" + (f"-{moment}" if moment else "")


def step_of(folder: Path) -> int:
    """The step in the name of a checkpoint's folder."""
    match = NAME.fullmatch(folder.name)
    return int(match[1]) if match else -1


def write(parent: Path, snapshot: Snapshot) -> Path:
    """Write a checkpoint; its folder counts once the manifest is there.

    Raises
    ------
    OSError
        When writing fails; what was begun is removed.
    """
    folder = parent / snapshot.name
    if (folder / MANIFEST).is_file():
        return folder
    contents: dict[str, Pieces] = {
        TENSORS: tensor_file.pieces(snapshot.tensors, {}),
        STATE: [json.dumps(snapshot.values).encode()],
    }
    files = {name: _entry(pieces) for name, pieces in contents.items()}
    manifest = json.dumps({"schema": SCHEMA, "step": snapshot.step, "moment": snapshot.moment, "files": files}).encode()
    try:
        make_folder(folder)
        for name, pieces in contents.items():
            atomic.write_bytes(folder / name, pieces)
        atomic.write_bytes(folder / MANIFEST, [manifest])
        with naming(parent):
            atomic.disk.sync_folder(parent)
    except BaseException:
        with suppress(OSError):
            remove(folder)
        raise
    return folder


def _entry(pieces: Pieces) -> dict[str, Any]:
    """What the manifest says of a file."""
    content = hashlib.sha256()
    for piece in pieces:
        content.update(piece)
    return {"size": sum(map(len, pieces)), "sha256": content.hexdigest()}


def make_folder(folder: Path) -> None:
    """Make a folder for a checkpoint; what an interrupted write left in it goes."""
    with naming(folder):
        remove(folder)
        atomic.disk.make_folder(folder)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the system name the file or folder it is about."""
    try:
        yield
    except OSError as error:
        if str(path) in str(error):
            raise
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}.") from error


def remove(folder: Path) -> None:
    """Remove a checkpoint, its manifest first: half removed, it is no checkpoint any more."""
    atomic.disk.remove(folder / MANIFEST)
    atomic.disk.remove_folder(folder)


def read(folder: Path) -> Snapshot:
    """A checkpoint, every file checked against the manifest.

    Raises
    ------
    DamagedCheckpoint
        When a file is missing, was changed, or cannot be read; the message names it.
    """
    manifest = _manifest(folder)
    contents = {name: _checked(folder / name, entry) for name, entry in manifest["files"].items()}
    try:
        tensors, values = load_tensors(contents[TENSORS]), _loads(contents[STATE])
        return Snapshot(manifest["step"], manifest["moment"], tensors, values)
    except (SafetensorError, ValueError, RecursionError) as error:
        raise DamagedCheckpoint(f"{folder} cannot be read: {error}") from None


def _loads(text: bytes) -> dict[str, Any]:
    """An object of JSON, NaN and infinity allowed: losses may be that."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key is there twice")
        return dict(pairs)

    values = json.loads(text, object_pairs_hook=unique)
    if not isinstance(values, dict):
        raise ValueError(f"{STATE} is no object of JSON")
    return values


def verify(folder: Path) -> None:
    """Raise unless every file of a checkpoint matches its manifest."""
    for name, entry in _manifest(folder)["files"].items():
        _checked(folder / name, entry)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        if folder.is_symlink():
            raise DamagedCheckpoint(f"{folder} is a link.")
        manifest = json.loads(regular.read_bytes(path, MOST_MANIFEST, follow=False))
        schema, files, step, moment = (manifest[key] for key in ("schema", "files", "step", "moment"))
        whole = set(files) == {TENSORS, STATE} and all({"size", "sha256"} == set(entry) for entry in files.values())
        whole = whole and type(schema) is type(step) is int and name_of(step, moment) == folder.name
    except DamagedCheckpoint:
        raise
    except FileNotFoundError:
        raise DamagedCheckpoint(f"{folder} was never finished: {MANIFEST} is missing.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedCheckpoint(f"{path} is damaged: {error}") from None
    if schema != SCHEMA or not whole:
        raise DamagedCheckpoint(f"{path} is damaged, or of another version (schema {schema!r}; this one is {SCHEMA}).")
    return manifest


def _checked(path: Path, entry: dict[str, Any]) -> bytes:
    try:
        if path.lstat().st_size != entry["size"]:
            raise DamagedCheckpoint(f"{path} has {path.lstat().st_size} bytes; its manifest says {entry['size']}.")
        data = regular.read_bytes(path, entry["size"], follow=False)
    except OSError as error:
        raise DamagedCheckpoint(f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise DamagedCheckpoint(f"{path} was changed or damaged: its SHA-256 is not that of its manifest.")
    return data


def generations(parent: Path) -> list[Path]:
    """The folders of checkpoints, the newest first; whole or not."""
    found = [folder for folder in parent.glob("step-*") if folder.is_dir() and NAME.fullmatch(folder.name)]
    return sorted(found, key=lambda folder: folder.name, reverse=True)


def newest(parent: Path, tell: Any = print, most: int | None = None) -> Snapshot | None:
    """The newest checkpoint that is whole, and says so when a newer one was not; None if there is none.

    Parameters
    ----------
    parent : Path
        The folder of checkpoints.
    tell : function of str
        Prints what was wrong with those that were passed over.
    most : int, optional
        Only checkpoints of at most so many steps.
    """
    passed_over = False
    for folder in generations(parent):
        if most is not None and step_of(folder) > most:
            continue
        try:
            found = read(folder)
        except DamagedCheckpoint as error:
            tell(f"checkpoint {folder.name} does not count: {error}")
            passed_over = True
            continue
        if passed_over:
            tell(f"checkpoint {folder.name} is whole, and takes its place.")
        return found
    if passed_over:
        tell(f"no checkpoint in {parent} is whole.")
    return None


def rewind(parent: Path, step: int) -> int:
    """Set aside the checkpoints after a step; the step of the newest one that is left.

    Raises
    ------
    HandsonError
        When no whole checkpoint is that old, or the run has not come that far.
    """
    last = max((step_of(folder) for folder in generations(parent)), default=step)
    if step > last:
        raise HandsonError(f"{parent.parent} is at step {last}: there is no step {step} to go back to.")
    kept = newest(parent, most=step)
    if kept is None:
        steps = dict.fromkeys(str(step_of(folder)) for folder in reversed(generations(parent)))
        known = ", ".join(steps) or "none"
        raise HandsonError(f"{parent.parent} has no checkpoint at or before step {step}; its checkpoints: {known}.")
    set_aside(parent, kept.name)
    return kept.step


def set_aside(parent: Path, name: str = "") -> None:
    """Move the checkpoints after the one of a name out of the way, the newest first; unfinished ones are removed."""
    aside = parent / ASIDE
    later = [folder for folder in generations(parent) if folder.name > name]
    for folder in later:
        if not (folder / MANIFEST).is_file():
            remove(folder)
            continue
        atomic.disk.make_folder(aside)
        remove(aside / folder.name)
        atomic.disk.replace(folder, aside / folder.name)
    if later:
        atomic.disk.sync_folder(parent)


def copy_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies that later steps do not change, on the tensors' own devices."""
    with torch.no_grad():
        return {name: tensor.detach().clone() for name, tensor in tensors.items()}
