"""How nets and their parts become files and descriptions, and come back; names of one's own."""

from __future__ import annotations

from typing import Any

from handson.keras.mirror import mirror

mirror(
    __name__,
    "handson.utils.objects",
    load_model="handson.models:load_model",
    save_model="handson.files:save_model",
)


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Save a net's weights: see `Model.save_weights`."""
    model.save_weights(filepath, overwrite=overwrite)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False) -> None:
    """Load a net's weights: see `Model.load_weights`."""
    model.load_weights(filepath, skip_mismatch=skip_mismatch)
