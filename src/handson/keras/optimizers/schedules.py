"""Schedules of the learning rate: those of `handson.schedules`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.schedules import *  # noqa: F403

mirror(__name__, "handson.schedules")
