"""Histories of trainings in files: what must be in them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, model_validator

MOST_EPOCHS = 1 << 31


class StoredHistory(BaseModel):
    """A history as `handson.state.history.History.to_json` writes it."""

    history: dict[str, list[float | None]]
    epoch: list[Annotated[int, Field(ge=0, lt=MOST_EPOCHS)]]
    params: dict[str, Any]
    seed: int | None
    notes: list[str]
    seconds: float

    @model_validator(mode="after")
    def check_lengths(self) -> StoredHistory:
        """Every quantity has one value for each epoch."""
        if any(len(values) != len(self.epoch) for values in self.history.values()):
            raise ValueError("the quantities have values for different numbers of epochs")
        return self
