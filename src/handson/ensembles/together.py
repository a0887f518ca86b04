"""Several nets trained together: beside one another where that pays, else one after another.

Every member goes through the same `fit` as a net that is trained alone, with random numbers that are functions of its
own seed, so it ends as that net does. What runs beside it changes nothing but the time.

Nets that train as one compiled program (`training/engines/dense`) leave Python's lock while it runs: they train
in threads, one for each core. Products of matrices are not divided among cores meanwhile. So a member has the bits of
the net alone, but for rounding where that net's products are large enough (2**18 multiplications) to be divided.
All other nets take turns, since the steps of PyTorch hold Python's lock or use all cores themselves.
"""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from handson.callbacks import Callback
from handson.core import console, tree
from handson.core.errors import HandsonError, TrainingError, nearest, whole
from handson.core.processors import processors
from handson.data.rows.batches import Batches
from handson.kernels.library import missing
from handson.kernels.threads import alone
from handson.state.history import History
from handson.training.engines import FEWEST_STEPS, DenseProgram
from handson.training.preparation.arguments import cuts_batches
from handson.training.preparation.given import prepare_inputs
from handson.training.preparation.job import Job
from handson.training.preparation.prepare import penalized_layers

if TYPE_CHECKING:
    from handson.models import Model


@dataclass
class Training:
    """A net of several that are trained together.

    Attributes
    ----------
    net : Model
        The net, compiled.
    name : str
        What it is called in lines and errors.
    inputs : array
        The inputs that its rows come from.
    data : function without arguments
        The arguments of `fit` that hold rows. It is called when the net's turn comes, so that rows picked for one
        member need memory only while it trains.
    settings : dict
        The other arguments of `fit`; `callbacks` may be a function of `name`.
    error : TrainingError, optional
        Why the training ended early, where that is tolerated.
    announced : bool
        Whether `data` says that its turn has come; else its name is shown, if it trains alone.
    callbacks : list of Callback
        Those that it was trained with.
    """

    net: Model
    name: str
    inputs: Any
    data: Callable[[], dict[str, Any]]
    settings: dict[str, Any]
    error: TrainingError | None = None
    announced: bool = False
    callbacks: list[Callback] = field(default_factory=list)

    @property
    def history(self) -> History:
        """The history of the net's training, complete or not."""
        return self.net.history or History()

    @property
    def steps(self) -> int:
        """How many steps it has at most."""
        size = whole("batch_size", self.settings.get("batch_size") or 32, 1)
        epochs = whole("epochs", self.settings.get("epochs", 1), 0) - self.settings.get("initial_epoch", 0)
        return epochs * -(-len(tree.leaves(self.inputs)[0]) // size)

    def run(self, verbose: Any, stop: threading.Event | None = None) -> None:
        """Train; an event that is set ends the training after the epoch."""
        if stop is not None and stop.is_set():
            return
        self.callbacks = _callbacks_of(self.settings.get("callbacks"), self.name)
        following = [] if stop is None else [_Follow(stop)]
        given = self.settings | {"callbacks": [*self.callbacks, *following], "verbose": verbose}
        self.net.fit(**self.data(), **given)

    def line(self) -> str:
        """What came out, in one line."""
        if self.error is not None:
            return f"{self.name}: {self.error}"
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.history.history.items())
        return f"{self.name}: {len(self.history.epoch)} epochs, {last}, {self.history.seconds:.1f} seconds"


class _Follow(Callback):
    """Ends a training when the others have been given up."""

    looks: ClassVar[bool] = True

    def __init__(self, stop: Any) -> None:
        self.stop = stop

    def on_look(self, step: int, logs: dict[str, float]) -> None:
        if self.stop.is_set():
            self.model.stop_training = True


def train_together(
    trainings: Sequence[Training], verbose: Any = "auto", workers: int | None = None, tolerant: bool = False
) -> None:
    """Train several nets.

    Parameters
    ----------
    trainings : sequence of Training
        The nets; they share neither layers nor optimizers.
    verbose : {'auto', 0, 1, 2}
        0: silent. Else a line for each net that trains beside others; nets that train alone show what `fit` shows.
    workers : int, optional
        How many nets train at a time where they can; by default one for each core. Results do not depend on it.
    tolerant : bool
        Whether a loss that becomes NaN or infinite ends the training of that net only.

    Raises
    ------
    HandsonError
        When two nets share a part.
    TrainingError
        When a loss becomes NaN or infinite; the message names the net.
    """
    _check_separate(trainings)
    count = len(trainings)
    workers = processors() if workers is None else whole("workers", workers, 1)
    say = console.say if verbose else lambda text: None
    programs, reason = _programs(trainings)
    programs = programs if count > 1 else []
    others = [training for training in trainings if not any(training is program for program in programs)]
    if programs:
        say(f"{len(programs)} of {count} nets train as compiled programs, {min(workers, len(programs))} at a time.")
        _beside(programs, workers, say, tolerant)
    if others and count > 1:
        say(f"{len(others)} of {count} nets train one after another: {reason}.")
    for training in others:
        if not training.announced:
            say(training.name)
        _attempt(training, tolerant, verbose)
        if training.error is not None:
            say(training.line())


def _programs(trainings: Sequence[Training]) -> tuple[list[Training], str]:
    """The nets that train as compiled programs, and why the others do not."""
    if any(cuts_batches(training.settings) for training in trainings):
        return [], "their batches are cut into shards, for which workers train one net at a time"
    asked = {training.settings.get("engine", "auto") for training in trainings} - {"auto", "dense"}
    if asked:
        return [], f"engine={asked.pop()!r} does not leave Python's lock"
    forced = any(training.settings.get("engine") == "dense" for training in trainings)
    found = [(training, _obstacle(training)) for training in trainings]
    programs = [training for training, why in found if why is None and (forced or training.steps >= FEWEST_STEPS)]
    reasons = [why for _, why in found if why is not None]
    if not reasons:
        return programs, "so few steps are over before a program is loaded (engine='dense' loads it all the same)"
    return programs, f"compiled programs do not support {reasons[0]}, and the steps of PyTorch use all cores"


def _obstacle(training: Training) -> str | None:
    """Why a net does not train as a compiled program, None if it does."""
    net = training.net
    inputs = prepare_inputs(net, training.inputs)
    job = Job(
        net, net.device, net.terms, net.optimizer, Batches(inputs, [inputs[0]] * len(net.terms)),
        input_scalings=[None] * len(inputs), target_scalings=[None] * len(net.terms),
        augment=training.settings.get("augment"), penalized=penalized_layers(net), precision=net.precision,
    )  # fmt: skip
    return DenseProgram.obstacle(job) or ("a machine without kernels" if missing() else None)


def _beside(trainings: list[Training], workers: int, say: Callable[[str], None], tolerant: bool) -> None:
    """Train in threads."""
    stop = threading.Event()
    with alone(), ThreadPoolExecutor(workers, "handson-member") as pool:
        running = {pool.submit(_attempt, training, tolerant, 0, stop): training for training in trainings}
        try:
            for done in as_completed(running):
                done.result()
                say(running[done].line())
        except BaseException:
            stop.set()
            for each in running:
                each.cancel()
            raise
    for note in dict.fromkeys(note for training in trainings for note in training.history.notes):
        say(note)


def _attempt(training: Training, tolerant: bool, verbose: Any, stop: threading.Event | None = None) -> None:
    try:
        training.run(verbose, stop)
    except TrainingError as error:
        training.error = error
        if not tolerant:
            raise TrainingError(f"{training.name}: {error}") from error


def _check_separate(trainings: Iterable[Training]) -> None:
    """Raise when two nets share a layer or an optimizer, which both would change."""
    holder: dict[int, str] = {}
    for training in trainings:
        for part in (training.net.optimizer, *training.net.modules(), *training.net.parameters()):
            other = holder.setdefault(id(part), training.name)
            if other != training.name:
                raise HandsonError(
                    f"{other} and {training.name} share one {type(part).__name__}, which both would change. Make every "
                    f"layer and optimizer inside the function that builds a net."
                )


def _callbacks_of(callbacks: Any, name: str) -> list[Callback]:
    """Callbacks for one member: what a function gives, or copies, since callbacks remember one training."""
    if callable(callbacks):
        return list(callbacks(name))
    return [_fresh(callback) for callback in callbacks or []]


def _fresh(callback: Any) -> Any:
    if hasattr(callback, "filepath") or hasattr(callback, "filename"):
        kind = type(callback).__name__
        raise HandsonError(
            f"every member would write into the one file of {callback!r}. Give callbacks as a function of the member's "
            f"name: callbacks=lambda name: [{kind}(f'{{name}}...')]."
        )
    model = getattr(callback, "model", None)
    return copy.deepcopy(callback, {id(model): model})


def check_arguments(settings: Iterable[str], taken: Iterable[str], verb: str) -> None:
    """Raise unless the names are arguments of `Model.fit` other than those that the verb itself decides.

    Examples
    --------
    >>> check_arguments(["epoch"], (), "sweep")
    Traceback (most recent call last):
    handson.core.errors.HandsonError: sweep has no argument 'epoch'. Did you mean 'epochs'? It passes on what fit takes.
    """
    from handson.models import Model

    known = inspect.signature(Model.fit).parameters.keys() - {"self", "x", "y", "run", "resume", "checkpoint_seconds"}
    for name in settings:
        if name in taken or name in ("run", "resume", "checkpoint_seconds"):
            raise HandsonError(f"{verb} cannot pass {name!r} on to fit.")
        if name not in known:
            raise HandsonError(f"{verb} has no argument {name!r}.{nearest(name, known)} It passes on what fit takes.")
