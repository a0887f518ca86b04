"""Sequences: `pad_sequences`, and what makes samples of a series."""

from __future__ import annotations

from handson.keras.mirror import mirror

mirror(__name__, "handson.preprocessing.sequence", pad_sequences="handson.utils:pad_sequences")
