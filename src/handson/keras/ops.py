"""Functions of tensors: those of `handson.ops`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.ops import *  # noqa: F403

mirror(__name__, "handson.ops")
