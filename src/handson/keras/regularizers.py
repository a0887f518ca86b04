"""Regularizers: those of `handson.regularizers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.regularizers import *  # noqa: F403

mirror(__name__, "handson.regularizers")
