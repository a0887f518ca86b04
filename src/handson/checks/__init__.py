"""Sanity checks before a long training: on copies, so that the net, its optimizer and its seed stay as they are."""

from typing import TYPE_CHECKING

from handson.core.lazy import lazy

if TYPE_CHECKING:
    from handson.checks.copies import Check as Check
    from handson.checks.initialization import initialization_comparison as initialization_comparison
    from handson.checks.rates import lr_range as lr_range
    from handson.checks.sanity import initial_loss_check as initial_loss_check
    from handson.checks.sanity import overfit_tiny as overfit_tiny
    from handson.checks.sanity import regularization_check as regularization_check

_HOMES = {name: f"handson.checks.sanity:{name}" for name in ("initial_loss_check", "overfit_tiny")} | {
    "Check": "handson.checks.copies:Check",
    "initialization_comparison": "handson.checks.initialization:initialization_comparison",
    "lr_range": "handson.checks.rates:lr_range",
    "regularization_check": "handson.checks.sanity:regularization_check",
}

__all__ = sorted(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
