"""What is known of files before the libraries that read them are loaded: by their names."""

from pathlib import Path

PARQUET, ARROW = (".parquet",), (".arrow", ".feather")
# What an array's metadata are in, by format.
METADATA = ("zarr.json", ".zarray", ".zgroup")


def is_zarr(path: Path) -> bool:
    """Whether a folder is one of Zarr.

    Examples
    --------
    >>> is_zarr(Path("no/such/folder"))
    False
    """
    return any((path / name).is_file() for name in METADATA)
