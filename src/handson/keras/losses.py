"""Losses: those of `handson.losses`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.losses import *  # noqa: F403

mirror(__name__, "handson.losses")


class Reduction:
    """Keras 2's names of the ways to reduce a loss; `AUTO` was the mean over samples.

    Examples
    --------
    >>> from handson.keras import losses
    >>> losses.MeanSquaredError(reduction=Reduction.AUTO)([[1.0]], [[3.0]]).item()
    4.0
    """

    AUTO = SUM_OVER_BATCH_SIZE = "sum_over_batch_size"
    NONE = "none"
    SUM = "sum"
