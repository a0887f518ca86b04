"""What to do about a loss that becomes NaN: find the step and the layer where it began, and lose nothing.

Nothing is checked inside a step. When the sums of a span turn out not to be finite, the net goes back to the copy
taken before it, and the steps run once more: random numbers are functions of the step, so the second run repeats the
first exactly. It runs in halves of halves, until few steps are left; in these every tensor is looked at.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from handson.core.errors import TrainingError
from handson.state.kept import KeptState
from handson.state.state import named_weights
from handson.state.sums import Sums
from handson.training.engines.eager import Eager
from handson.training.preparation.job import Span, Stretch

# So many steps are repeated on the reference engine, and looked at.
FEW_STEPS = 16
# Long epochs get a fresh copy this often, so that a repetition stays short.
SECONDS_BETWEEN_COPIES = 30.0


class Found(NamedTuple):
    """Where numbers stopped being finite.

    Attributes
    ----------
    epoch, step : int
        From 0.
    layer : str
        The name of the layer, or of what else it was.
    what : str
        Which of its tensors, in words.
    """

    epoch: int
    step: int
    layer: str
    what: str


class Guard:
    """Keeps copies of the training state, and comes back to them.

    Parameters
    ----------
    engine : Engine
        The engine that trains.
    on_nan : {'raise', 'stop', 'ignore'}
        What to do about a loss that is not finite.
    tell : function of str
        Prints a line.
    """

    def __init__(self, engine: Any, on_nan: str, tell: Callable[[str], None]) -> None:
        self.engine, self.on_nan, self.tell = engine, on_nan, tell
        self._span = Span(-1, 0, 0, 0, 0, 0)
        self._taken = -math.inf
        self._kept = KeptState(engine.job.module, engine.job.optimizer)

    def before(self, stretch: Stretch) -> None:
        """Keep a copy of the training state, if an epoch begins or the last copy is old."""
        if self.on_nan == "ignore":
            return
        span, now = stretch.spans[0], time.monotonic()
        if self._span.epoch != span.epoch or now - self._taken > SECONDS_BETWEEN_COPIES:
            self._span, self._taken = span, now
            self._kept.renew()

    def repeats(self, stretch: Stretch) -> bool:
        """Whether the epochs of a stretch have to run again one by one, to find the first whose loss is not finite."""
        if self.on_nan == "ignore" or len(stretch.spans) == 1 or stretch.finite():
            return False
        self._kept.restore()
        self._span = Span(-1, 0, 0, 0, 0, 0)
        return True

    def after(self, stretch: Stretch) -> bool:
        """Whether the training can go on after a part of an epoch.

        Raises
        ------
        TrainingError
            With the epoch, the step and the layer where it began. The weights are those before the epoch, or before
            the last half minute.
        """
        if self.on_nan == "ignore" or stretch.finite():
            return True
        error = NonFiniteLoss(self.locate(stretch.spans[-1]), self.engine.job.optimizer)
        if self.on_nan == "raise":
            raise error
        self.tell(str(error))
        return False

    def locate(self, span: Span) -> Found:
        """Repeat the last steps since the copy on the reference engine, up to the first tensor that is not finite."""
        job = self.engine.job
        reference = self.engine if job.own else Eager(job)
        self._kept.restore()
        if not job.batches.repeats:
            what = (
                f"one of the steps {self._span.first + 1} to {span.last}; a generator cannot be read again to find it"
            )
            return Found(span.epoch, span.last - 1, "the net", what)
        before = job.state.copy()
        steps = self._narrow(span)
        found = Found(span.epoch, steps[-1], "the loss", "its sum over the epoch")
        for step in steps:
            one = span._replace(first=step, last=step + 1)
            with Watch(job.module) as watch:
                sums = Sums()
                reference.run(Stretch([one], [sums]))
            event = watch.event or _first_bad(sums, named_weights(job.module), watch)
            if event is not None:
                found = Found(span.epoch, step, *event)
                break
        before.restore(job.module, job.optimizer, job.further)
        return found

    def _narrow(self, span: Span) -> range:
        """The few steps in which it began; the engine runs up to the first of them."""
        first, last = self._span.first, span.last
        while last - first > FEW_STEPS:
            middle, sums = (first + last) // 2, Sums()
            self._kept.renew()
            self.engine.run(Stretch([span._replace(first=first, last=middle)], [sums]))
            if sums.finite() and _all_finite(self.engine.job.module):
                first = middle
            else:
                self._kept.restore()
                last = middle
        return range(first, last)


def check_counted(sums: Sums, epoch: int, what: str) -> None:
    """Raise when an epoch had no target to learn from: its loss would be 0 or NaN, and say nothing.

    Raises
    ------
    TrainingError
        When every target was missing.
    """
    sums.read()
    if any(count == 0 for name, count in sums.counts.items() if name == "loss" or name.endswith("_loss")):
        raise TrainingError(
            f"epoch {epoch + 1} had not a single {what} target: all are missing (NaN or masked) or left the image in "
            f"augmentation. Look at the targets of these rows, and at the ranges and units of the augmentation."
        )


def _first_bad(sums: Sums, weights: dict[str, Tensor], watch: Watch) -> tuple[str, str] | None:
    if not sums.finite():
        return watch.last, f"its output reached {watch.largest:.3g}, which overflowed in the loss"
    for name, weight in weights.items():
        if not _is_finite(weight):
            layer, _, parameter = name.rpartition(".")
            return layer or name, f"its {parameter or 'weight'} after the update"
    return None


def _is_finite(weight: Tensor) -> bool:
    return not weight.is_floating_point() or bool(torch.isfinite(weight).all())


def _all_finite(module: nn.Module) -> bool:
    return all(map(_is_finite, named_weights(module).values()))


class Watch:
    """Looks at what every layer puts out while it is active, and remembers the first output that is not finite."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.event: tuple[str, str] | None = None
        self.last, self.largest = "the loss", 0.0
        self._handles: list[Any] = []

    def __enter__(self) -> Watch:
        for name, layer in self.module.named_modules():
            if not list(layer.children()):
                self._handles.append(layer.register_forward_hook(self._hook(name)))
        return self

    def _hook(self, name: str) -> Any:
        def look(layer: nn.Module, inputs: Any, output: Any) -> None:
            if self.event is not None or not isinstance(output, Tensor):
                return
            self.last, self.largest = name or type(layer).__name__, float(output.detach().abs().max())
            if not math.isfinite(self.largest):
                self.event = self.last, "its output is NaN" if self.largest != self.largest else "its output overflowed"

        return look

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()


class NonFiniteLoss(TrainingError):
    """The loss became NaN or infinite.

    Attributes
    ----------
    found : Found
        The epoch, step and layer where it began.
    """

    def __init__(self, found: Found, optimizer: Any) -> None:
        self.found = found
        shown = optimizer.schedule or f"{optimizer.learning_rate:g}"
        super().__init__(
            f"the loss became NaN or infinite: it began in epoch {found.epoch + 1}, step {found.step + 1}, in "
            f"{found.layer!r} ({found.what}). The weights are back at the last finite state. Usual causes: a learning "
            f"rate that is too high (it is {shown}; try a tenth), inputs or targets that are not scaled "
            f"(compile(..., scale_inputs='standard')), or gradients that explode (optimizer with clipnorm=1.0)."
        )
