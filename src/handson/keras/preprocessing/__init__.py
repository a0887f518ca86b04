"""What older programs prepare data with: files in folders, images, sequences and texts."""

from __future__ import annotations

from handson.keras.mirror import mirror

_DATASETS = ("image_dataset_from_directory", "text_dataset_from_directory", "timeseries_dataset_from_array")

mirror(
    __name__,
    image=f"{__name__}.image",
    sequence=f"{__name__}.sequence",
    text=f"{__name__}.text",
    **{name: f"handson.utils:{name}" for name in _DATASETS},
)
