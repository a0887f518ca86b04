"""Activations: those of `handson.activations`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.activations import *  # noqa: F403

mirror(__name__, "handson.activations")
