"""Nets, and how they go into files: those of `handson.models`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.models import *  # noqa: F403

mirror(__name__, "handson.models", save_model="handson.files:save_model")
