"""Files of the net that are kept in a folder, and checked."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from handson.core.errors import HandsonError

HASHES = {32: "md5", 64: "sha256"}
# Seconds that a server has to answer.
PATIENCE = 20


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder that files are kept in: that given, else the variable KERAS_HOME, else ~/.keras, as in Keras."""
    return Path(cache_dir or os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """The path of a file that is in the cache, or comes from the net.

    Parameters
    ----------
    fname : str, optional
        Its name in the cache; by default the last part of `origin`.
    origin : str
        Where it comes from, an http or https address.
    untar, extract : bool
        Whether it is an archive to be unpacked; the folder is returned then.
    md5_hash, file_hash : str, optional
        What the file must hash to; a file in the cache is checked too.
    cache_subdir : str
        The folder in the cache.
    hash_algorithm : {'auto', 'md5', 'sha256'}
        Which hash; 'auto' follows from the length.
    archive_format : {'auto', 'tar', 'zip'}
        The kind of archive.
    cache_dir : str, optional
        The cache; by default ~/.keras, or the variable KERAS_HOME.
    force_download : bool
        Whether it is fetched though it is there.

    Returns
    -------
    str

    Raises
    ------
    HandsonError
        When it is not there and cannot be fetched: the message says which file to put where.
    """
    if origin is None:
        raise HandsonError("get_file needs origin: the address that the file comes from.")
    name = os.fspath(fname) if fname else Path(urllib.parse.urlsplit(origin).path).name
    if not name or os.sep in name or name in (".", ".."):
        raise HandsonError(f"get_file: fname is the name of a file without folders; got {fname!r} for {origin}.")
    folder = cache_folder(cache_dir) / cache_subdir
    unpack = extract or untar
    target, unpacked = _places(folder, name, unpack, fname is not None)
    wanted = file_hash or md5_hash
    algorithm = "md5" if md5_hash and not file_hash else hash_algorithm
    if force_download or not target.exists() or (wanted and not _matches(target, wanted, algorithm)):
        _fetch(origin, target, wanted, algorithm)
    if not unpack:
        return str(target)
    if not unpacked.exists():
        _unpack(target, unpacked)
    return str(unpacked)


def _places(folder: Path, name: str, unpack: bool, named: bool) -> tuple[Path, Path]:
    """Where the file is, and where it is unpacked, as in Keras."""
    if not unpack:
        return folder / name, folder / name
    if named and "." in name:
        return folder / name, folder / f"{name[: name.find('.')]}_extracted"
    return folder / f"{name}_archive", folder / name


def _matches(path: Path, wanted: str, algorithm: str) -> bool:
    kind = HASHES.get(len(wanted), "") if algorithm == "auto" else algorithm
    if kind not in HASHES.values():
        raise HandsonError(f"get_file: a hash is of md5 (32 letters) or sha256 (64 letters); got {wanted!r}.")
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest() == wanted.lower()


def _fetch(origin: str, target: Path, wanted: str | None, algorithm: str) -> None:
    if urllib.parse.urlsplit(origin).scheme not in ("http", "https"):
        raise HandsonError(f"get_file: origin is an http or https address; got {origin!r}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, waiting = tempfile.mkstemp(dir=target.parent, prefix=".fetched-")
    os.close(handle)
    part = Path(waiting)
    try:
        with urllib.request.urlopen(origin, timeout=PATIENCE) as answer, part.open("wb") as file:
            shutil.copyfileobj(answer, file)
        if wanted and not _matches(part, wanted, algorithm):
            raise HandsonError(f"get_file: what {origin} gave is not the file: it does not hash to {wanted}.")
        part.replace(target)
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", error)
        raise HandsonError(_advice(origin, target, wanted, reason)) from None
    finally:
        part.unlink(missing_ok=True)


def _advice(origin: str, target: Path, wanted: str | None, reason: Any) -> str:
    there = "is another file than expected" if target.exists() else "is not there"
    hashed = f", which hashes to {wanted}," if wanted else ""
    return f"{target} {there}, and {origin} cannot be reached ({reason}). Put the file{hashed} at {target}."


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive next to where it goes, and move it there when it is whole."""
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".unpacked-") as waiting:
        place = Path(waiting) / "files"
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                tar.extractall(place, filter="data")
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as files:
                files.extractall(place)
        else:
            raise HandsonError(f"{archive} is no tar or zip archive; leave out extract=True.")
        place.replace(folder)
