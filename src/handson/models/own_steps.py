"""What a subclass of `Model` defines and no verb would call, and processes in which a verb would hang."""

from __future__ import annotations

from typing import Any

from handson.core.errors import HandsonError
from handson.core.forked import check_threads

# The methods of Keras by which each verb does its steps.
STEPS = {
    "fit": ("train_step", "compute_loss", "test_step"),
    "evaluate": ("test_step", "compute_loss"),
    "predict": ("predict_step",),
    "train_on_batch": ("train_step", "compute_loss"),
}


def check_verb(model: Any, verb: str) -> None:
    """Raise where a verb would ignore what a subclass defines, or wait for ever."""
    check_threads()
    for name in STEPS.get(verb, ()):
        if hasattr(type(model), name):
            raise HandsonError(
                f"{type(model).__name__} defines {name}, which {verb} does not call yet: it would be ignored. Steps of "
                f"one's own come with a later version; until then give the loss as a function of (y_true, y_pred) to "
                f"compile, or write the loop over batches yourself: the net is a torch.nn.Module."
            )
