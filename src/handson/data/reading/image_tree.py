"""Which files of a folder are images and of which class, what is left out, and what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from handson.core.errors import HandsonError, listing
from handson.data.reading.image_files import FITS, IMAGES

# Endings of images that are not read: a folder of them is not half read in silence.
UNREAD = {
    ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".tga", ".exr", ".hdr", ".pfm", ".dcm",
    ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".apng", ".dib",
}  # fmt: skip
FOREIGN = {"__MACOSX"}
# What the parts of a split are called, which are no classes.
PARTS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval"}


@dataclass
class Found:
    """The images of a folder.

    Attributes
    ----------
    files : list of Path
        In the order of their names.
    labels : list of int or None
        The class of each; None where there are no classes.
    classes : list of str or None
        The names of the folders that hold images.
    left : Counter
        What was left out, and how often.
    """

    files: list[Path] = field(default_factory=list)
    labels: list[int] | None = None
    classes: list[str] | None = None
    left: Counter[str] = field(default_factory=Counter)


def as_text(name: str) -> str:
    """The name of a file as text that can be written: bytes in it that are no UTF-8 as their codes.

    Examples
    --------
    >>> as_text(f"caf{chr(0xDCE9)}").isascii()
    True
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def find_images(path: Path) -> Found:
    """The images of a folder and of the folders in it; those of the upper folders are the classes.

    Raises
    ------
    HandsonError
        Where it is not clear what the classes are, for a link that leads out of the folder, and for images of a kind
        that is not read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b/1.png", "a/deep/2.JPG", "a/notes.txt", "b/.DS_Store"):
    ...         file = Path(folder, name)
    ...         file.parent.mkdir(parents=True, exist_ok=True)
    ...         _ = file.write_text("")
    ...     found = find_images(Path(folder))
    >>> [file.name for file in found.files], found.classes, dict(found.left)
    (['2.JPG', '1.png'], ['a', 'b'], {'file ending in .txt': 1, 'hidden file': 1})
    """
    found = Found()
    tree = _Tree(path, found.left)
    own, folders = tree.entries(path)
    inside = {folder.name: tree.below(folder) for folder in folders}
    tree.check_read()
    inside = {name: files for name, files in inside.items() if files}
    if not inside:
        found.files = own
        return found
    if own:
        raise HandsonError(
            f"{path} holds {len(own)} images beside folders of images ({listing(inside, 4)}), the first is "
            f"{own[0].name}. Move each into the folder of its class, or keep images and folders apart."
        )
    for name, files in inside.items():
        _check_class(path / name, files)
    if len(inside) > 1 and PARTS.issuperset(name.lower() for name in inside):
        first = next(iter(inside))
        raise HandsonError(
            f"the folders of {path} are called like the parts of a split and not like classes: {listing(inside, 4)}. "
            f"Read them one by one, such as {path / first}; if they are classes, call them otherwise."
        )
    found.classes = list(map(as_text, inside))
    found.files = [file for files in inside.values() for file in files]
    found.labels = [label for label, files in enumerate(inside.values()) for _ in files]
    return found


def _check_class(folder: Path, files: list[Path]) -> None:
    """Raise where a folder holds no images, but several folders of them: these may be the classes."""
    inner = dict.fromkeys(file.relative_to(folder).parts[0] for file in files)
    if len(inner) > 1 and all(file.parent != folder for file in files):
        raise HandsonError(
            f"{folder} holds no images itself, but several folders of them: {listing(inner, 4)}. If these are the "
            f"classes, read {folder}; if {folder.name!r} is one, put its images into one folder."
        )


class _Tree:
    """Walks through a folder, never out of it, and counts what it leaves out."""

    def __init__(self, root: Path, left: Counter[str]) -> None:
        self.root, self.left = root.resolve(), left
        self.unread: list[Path] = []

    def entries(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """The images and the folders in one folder, by name."""
        images, folders = [], []
        content = sorted(folder.iterdir())
        if not content and folder.resolve() != self.root:
            self.left["empty folder"] += 1
        for entry in content:
            reason = self._reason(entry)
            if reason is not None:
                self.left[reason] += 1
            elif entry.is_dir():
                folders.append(entry)
            else:
                images.append(entry)
        return images, folders

    def below(self, folder: Path) -> list[Path]:
        """The images in a folder and in all folders in it."""
        images, waiting = [], [folder]
        while waiting:
            found, folders = self.entries(waiting.pop())
            images += found
            waiting += folders
        return sorted(images)

    def check_read(self) -> None:
        """Raise where there are images of a kind that is not read."""
        if self.unread:
            names = listing((file.name for file in self.unread), 3)
            raise HandsonError(
                f"{self.root} holds {len(self.unread)} images of a kind that is not read: {names}. Save them as PNG or "
                f"TIFF, or take them out of the folder."
            )

    def _reason(self, entry: Path) -> str | None:
        """Why an entry is left out, None where it is not."""
        is_folder, suffix = entry.is_dir(), entry.suffix.lower()
        if entry.name.startswith(".") or entry.name in FOREIGN:
            kind = "folder" if is_folder else "file"
            return f"hidden {kind}" if entry.name.startswith(".") else f"{kind} of another system ({entry.name})"
        if entry.is_symlink():
            reason = self._link(entry, is_folder)
            if reason is not None:
                return reason
        if is_folder:
            return None
        if not entry.is_file():
            return "entry that is no plain file"
        if suffix in UNREAD:
            self.unread.append(entry)
            return "image of a kind that is not read"
        if suffix in (*IMAGES, *FITS):
            return None
        return f"file ending in {suffix}" if suffix else "file without an ending"

    def _link(self, entry: Path, is_folder: bool) -> str | None:
        """Why a link is left out; one that leads out of the folder to images would read what is not in it."""
        if not is_folder and not entry.is_file():
            return "link to nothing that can be read"
        target = entry.resolve()
        if self.root not in (target, *target.parents):
            raise HandsonError(
                f"{entry} is a link that leads out of the folder, to {target}. Copy what it leads to, or take it away."
            )
        return "link to a folder in this one" if is_folder else None
