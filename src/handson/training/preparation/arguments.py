"""The arguments of `Model.fit`, checked before anything is done with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

from handson.callbacks import BackupAndRestore, Monitor, TerminateOnNaN
from handson.callbacks.calls import as_list
from handson.core import console
from handson.core.described import describe_noun
from handson.core.errors import HandsonError, whole
from handson.parallel.launch import check_devices, launched
from handson.parallel.tree import check_shards

# Shards of a batch, where nothing else is said.
SHARDS = 8
STEPS = ("steps_per_epoch", "validation_steps")
# What decides about the batches that workers see.
OF_BATCHES = ("batch_size", "shuffle", "missing", "augment", *STEPS)


@dataclass
class Arguments:
    """The arguments of `Model.fit` beside the data, checked."""

    batch_size: int
    epochs: int
    verbose: Any
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: bool
    class_weight: Any
    sample_weight: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: int
    groups: Any
    augment: Any
    seed: int | None
    missing: str
    engine: str
    evaluate_training: bool
    terminate_on_nan: bool
    run: Any
    resume: str
    checkpoint_seconds: float
    monitor: Any
    devices: int | None = None
    shards: int | None = None
    exact: bool = True

    def __post_init__(self) -> None:
        self.batch_size = whole("batch_size", 32 if self.batch_size is None else self.batch_size, 1)
        for name in STEPS:
            if getattr(self, name) is not None:
                setattr(self, name, whole(name, getattr(self, name), 1))
        self.epochs, self.initial_epoch = whole("epochs", self.epochs, 0), whole("initial_epoch", self.initial_epoch, 0)
        self.validation_freq = whole("validation_freq", self.validation_freq, 1)
        if self.validation_batch_size is not None:
            self.validation_batch_size = whole("validation_batch_size", self.validation_batch_size, 1)
        if self.shuffle not in (True, False):
            raise HandsonError(f"shuffle is True or False; got {self.shuffle!r}.")
        if not isinstance(self.checkpoint_seconds, Real) or not self.checkpoint_seconds >= 0:
            raise HandsonError(f"checkpoint_seconds is a number, at least 0; got {self.checkpoint_seconds!r}.")
        if self.missing not in ("mask", "drop"):
            raise HandsonError(f"missing is 'mask' or 'drop'; got {self.missing!r}.")
        self._check_devices()
        self._check_validation()
        self.callbacks = [*as_list(self.callbacks), *_monitors(self.monitor)]
        for callback in self.callbacks:
            if isinstance(callback, BackupAndRestore):
                if self.run not in (None, callback.backup_dir):
                    raise HandsonError(
                        f"run={self.run!r} and BackupAndRestore({callback.backup_dir!r}) both record this training: "
                        f"leave one of them out."
                    )
                self.run = callback.backup_dir

    def _check_validation(self) -> None:
        """Check that what is said of the rows to validate on is not said twice, or for nothing."""
        if self.validation_data is not None:
            if self.groups is not None and self.groups is not False:
                raise HandsonError("validation_data are the rows to validate on: leave groups out.")
        elif not self.validation_split:
            defaults = {"validation_freq": 1, "validation_batch_size": None, "validation_steps": None}
            for name, default in defaults.items():
                if getattr(self, name) != default:
                    raise HandsonError(
                        f"{name} is for rows to validate on, and there are none: give validation_split=0.2, or "
                        f"validation_data=(x, y)."
                    )

    def _check_devices(self) -> None:
        """Check how many workers there are, and how a batch is cut."""
        if not isinstance(self.exact, bool):
            raise HandsonError(f"exact is True or False; got {self.exact!r}.")
        if self.joins:
            return self._check_joining()
        launch = launched()
        # Tasks of srun may have nothing to do with each other; torchrun is there for one training.
        alone = self.devices == 1 or (self.devices is None and launch is not None and launch.by == "srun")
        self.launch = None if alone else launch
        self.workers = check_devices(self.devices, self.launch)
        self.sharded = self.engine == "shards" or self.shards is not None or self.workers > 1 or not self.exact
        if not self.sharded:
            return None
        if self.engine not in ("auto", "shards"):
            raise HandsonError(
                f"the engine {self.engine!r} trains on one device; on several it is 'shards', which is chosen by "
                f"itself: leave engine out."
            )
        if not self.exact and self.shards is not None:
            raise HandsonError(
                f"shards={self.shards} is for exact=True; with exact=False every worker has one part of the batch: "
                f"leave shards out."
            )
        shards = SHARDS if self.shards is None else self.shards
        self.cut = check_shards(shards, self.workers) if self.exact else self.workers
        return None

    def _check_joining(self) -> None:
        """Check the arguments of a worker that comes later: the training that runs decides about the rest."""
        if self.run is None:
            raise HandsonError("resume='join' makes this process a worker of a training that runs: run= is its folder.")
        if self.devices is not None:
            raise HandsonError(f"resume='join' adds one worker to those that train; got devices={self.devices} too.")
        if self.engine not in ("auto", "shards"):
            raise HandsonError(f"a worker trains with the engine 'shards', not {self.engine!r}: leave engine out.")
        self.launch, self.workers, self.sharded, self.cut = None, 1, True, SHARDS

    def take(self, begin: dict[str, Any]) -> None:
        """Take up what worker 0 decides; what this process was told itself has to be the same."""
        shards, exact = begin["shards"], begin["exact"]
        if self.shards not in (None, shards) or (exact and not self.exact):
            raise HandsonError(
                f"worker 0 trains with shards={shards}, exact={exact}; got shards={self.shards}, exact={self.exact}."
            )
        self.seed, self.cut, self.exact = begin["seed"], shards, exact

    @property
    def joins(self) -> bool:
        """Whether this process becomes a worker of a training that runs."""
        return self.resume == "join"

    @property
    def opens(self) -> bool:
        """Whether workers may join this training: they find it in its run folder."""
        return self.sharded and self.run is not None and (self.devices is not None or self.workers > 1)

    @property
    def spread(self) -> dict[str, Any]:
        """What a sharded training ran on, as JSON; `cut` of one with `exact=False` decides about the last digits."""
        if not self.sharded:
            return {}
        return {"workers": self.workers, "shards": self.cut} | ({"threads": 1} if self.exact else {})

    def describe(self) -> dict[str, Any]:
        """What must be the same for a recorded training to go on, as JSON."""
        names = (
            "batch_size", "epochs", "initial_epoch", "shuffle", "seed", "missing", "validation_batch_size",
            "validation_freq", "engine", "evaluate_training", "terminate_on_nan",
        )  # fmt: skip
        described = {name: getattr(self, name) for name in names}
        # Records of before these arguments were there do not name them.
        described |= {name: value for name in STEPS if (value := getattr(self, name)) is not None}
        if self.sharded:
            described["shards"] = self.cut if self.exact else "one for each worker"
        described["augment"] = describe_noun("augment", self.augment)
        described["callbacks"] = [
            describe_noun("callback", callback) for callback in self.callbacks if not callback.passive
        ]
        return described

    @property
    def monitors(self) -> list[Monitor]:
        """The callbacks that look into the net."""
        return [callback for callback in self.callbacks if isinstance(callback, Monitor)]

    def of_validation(self, sample_weight: Any = None) -> Arguments:
        """The arguments for reading the data to validate on."""
        return replace(
            self, sample_weight=sample_weight, class_weight=None, groups=None, missing="mask", shuffle=False,
            steps_per_epoch=self.validation_steps, batch_size=self.validation_batch_size or self.batch_size,
        )  # fmt: skip

    def tell(self, text: str) -> None:
        """Print what was decided or noticed, unless this training is silent."""
        if self.verbose:
            console.say(text)

    @property
    def on_nan(self) -> str:
        """What to do about a loss that is not finite."""
        if any(isinstance(callback, TerminateOnNaN) for callback in self.callbacks):
            return "stop"
        return "raise" if self.terminate_on_nan else "ignore"


def cuts_batches(settings: Mapping[str, Any]) -> bool:
    """Whether a training with these arguments of `fit` cuts its batches, for workers or on one device.

    Examples
    --------
    >>> cuts_batches({"devices": 2}), cuts_batches({"epochs": 3})
    (True, False)
    """
    devices, launch = settings.get("devices"), launched()
    together = launch is not None and launch.by == "torchrun" and launch.size > 1 and devices != 1
    asked = devices not in (None, 1) or settings.get("shards") is not None or not settings.get("exact", True)
    return together or asked or settings.get("engine") == "shards"


def _monitors(monitor: Any) -> list[Monitor]:
    """What `monitor` asks for: True for a `Monitor` as it is by default."""
    if isinstance(monitor, Monitor):
        return [monitor]
    if not isinstance(monitor, bool):
        raise HandsonError(f"monitor is True, False or a handson.callbacks.Monitor(...); got {monitor!r}.")
    return [Monitor()] if monitor else []
