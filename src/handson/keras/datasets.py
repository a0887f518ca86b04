"""Data sets: those of `handson.datasets`."""

from __future__ import annotations

from handson.keras.mirror import mirror

mirror(__name__)
