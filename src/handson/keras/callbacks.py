"""Callbacks: those of `handson.callbacks`, and `History` as a callback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.callbacks import *  # noqa: F403

mirror(__name__, "handson.callbacks", History="handson.keras.history:History")
