"""Random numbers: those of `handson.random`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.random import *  # noqa: F403

mirror(__name__, "handson.random")
