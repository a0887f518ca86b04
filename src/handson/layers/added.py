"""What layers add to the loss while they run: `add_loss`, and the penalty of `activity_regularizer` on the outputs.

What a layer adds stays in `layer.losses` until it runs again: in a net until the next run of the whole net, as a layer
may stand in it several times.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

from torch import Tensor

from handson.core import tree

_run: ContextVar[object | None] = ContextVar("handson_run", default=None)


def enter_run() -> Token[object | None] | None:
    """From now on all layers run once, however often they are called; within another run it is that one.

    Returns what `leave_run` takes. In place of a context manager: every call of a net passes here.
    """
    return _run.set(object()) if _run.get() is None else None


def leave_run(token: Token[object | None] | None) -> None:
    """The run that `enter_run` began is over."""
    if token is not None:
        _run.reset(token)


class Added(list[Any]):
    """The losses that one layer has added in its latest run.

    Examples
    --------
    >>> from handson.layers import Dense
    >>> import torch
    >>> layer = Dense(1, kernel_initializer="ones", activity_regularizer="l1")
    >>> y = layer(torch.ones(5, 3)); y = layer(torch.ones(5, 3)); [round(loss.item(), 3) for loss in layer.losses]
    [0.03]
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: object | None = None

    def enter(self, layer: Any, args: Any) -> None:
        """The layer is called: what it added in an earlier run is over."""
        run = _run.get()
        if run is None or run is not self._last:
            self.clear()
            self._last = run

    def penalize(self, layer: Any, args: Any, output: Any) -> None:
        """The layer gives an output: its penalty, divided by the number of rows, is added."""
        if layer.activity_regularizer is None:
            return
        for leaf in tree.leaves(output):
            if isinstance(leaf, Tensor):
                penalty = layer.activity_regularizer(leaf)
                self.append(penalty / max(1, len(leaf)) if leaf.dim() else penalty)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of a layer has not run."""
        return Added, ()
