"""Folders of nets: one model file each, and an index in JSON that says what they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from handson.files import atomic, load_model, strict_json

Kind = TypeVar("Kind", bound=BaseModel)


def save_nets(
    folder: str | os.PathLike[str], nets: Mapping[str, Any], index_name: str, index: Mapping[str, Any]
) -> None:
    """Save nets as '<name>.handson' into a folder, which is made, and then their index."""
    folder = Path(folder)
    atomic.disk.make_folder(folder)
    for name, net in nets.items():
        net.save(folder / f"{name}.handson")
    atomic.write_text(folder / index_name, strict_json.dumps(dict(index), indent=1))


def read_index(folder: str | os.PathLike[str], index_name: str, kind: type[Kind], what: str) -> Kind:
    """The index of a folder.

    Raises
    ------
    FileNotFoundError
        When there is none.
    HandsonError
        When something else is in it.
    """
    path = Path(folder) / index_name
    if not path.is_file():
        raise FileNotFoundError(f"there {what} in {folder}: {index_name} is missing.")
    return strict_json.read(path, kind)


def load_net(folder: str | os.PathLike[str], name: str) -> Any:
    """The net that `save_nets` wrote under a name."""
    return load_model(Path(folder) / f"{name}.handson")
