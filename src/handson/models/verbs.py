"""The verbs of a net, as Keras's users know them: compile, fit, evaluate, predict, save, load. Each delegates."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from handson import optimizers
from handson.core import console
from handson.core.errors import HandsonError
from handson.training.preparation.compiled import Compiled
from handson.state.history import History

if TYPE_CHECKING:
    from handson.losses import Loss
    from handson.metrics import Metric
    from handson.optimizers import Optimizer


class Verbs:
    """What a net can be asked to do."""

    _compiled: Compiled | None = None
    verbose: Any = 0

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        *,
        scale_inputs: Any = None,
        scale_targets: Any = None,
        precision: str = "float32",
    ) -> None:
        """Say how the net is trained.

        Parameters
        ----------
        optimizer : str or Optimizer
            A name such as 'adam', or an object of `handson.optimizers`.
        loss : str, Loss or function, or a list or dictionary of them
            What is minimized: one for all outputs, one for each in their order, or one by the name of each output. An
            output without one is not trained on; None where the net brings its own (`add_loss`).
        loss_weights : list or dict of float, optional
            The weight of each output's loss in the sum of them.
        metrics : list of str, Metric or function, optional
            What else is measured, in the units of the targets. With several outputs: a list of metrics for each, in
            their order, or by the name of each output.
        weighted_metrics : like `metrics`, optional
            Metrics in which the sample weights count.
        scale_inputs, scale_targets : {'standard', 'minmax'}, dict or Scaling, optional
            How inputs and targets are scaled; measured on the first training rows, saved with the net, and undone in
            predictions and metrics. ``{'shift': 48, 'scale': 48}`` gives numbers.
        precision : {'float32', 'tf32', 'bfloat16'}
            What the layers compute in: see docs/performance.md. Weights, losses and predictions stay float32.

        Raises
        ------
        HandsonError
            For an unknown name; the message lists the nearest. For an optimizer that has trained another net.
        """
        given = optimizers.get(optimizer)
        given.claim(self)
        compiled = Compiled(
            given, loss, loss_weights, metrics, weighted_metrics, scale_inputs, scale_targets, precision
        )
        before = self._compiled
        if before is None or compiled.scalings() != before.scalings():
            self.input_scaling = self.target_scaling = None
        self._compiled = compiled
        self.forget_terms()

    def forget_terms(self) -> None:
        """Losses and metrics are worked out anew when they are needed."""

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._compiled is not None

    def need_compiled(self, verb: str) -> Compiled:
        """What `compile` was given.

        Raises
        ------
        HandsonError
            When it was not called.
        """
        if self._compiled is None:
            raise HandsonError(f"{verb} needs a compiled net: call compile(optimizer='adam', loss=...) first.")
        return self._compiled

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer that the net was compiled with."""
        return self.need_compiled("optimizer").optimizer

    @property
    def precision(self) -> str:
        """What the layers compute in."""
        return "float32" if self._compiled is None else self._compiled.precision

    @property
    def scale_inputs(self) -> Any:
        """How inputs are scaled, as `compile` was told."""
        return None if self._compiled is None else self._compiled.scale_inputs

    @property
    def scale_targets(self) -> Any:
        """How targets are scaled, as `compile` was told."""
        return None if self._compiled is None else self._compiled.scale_targets

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[Any, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        *,
        groups: Any = None,
        augment: Any = None,
        seed: int | None = None,
        missing: str = "mask",
        engine: str = "auto",
        evaluate_training: bool = False,
        terminate_on_nan: bool = True,
        run: Any = None,
        resume: str = "auto",
        checkpoint_seconds: float = 300.0,
    ) -> History:
        """Train the net.

        Parameters
        ----------
        x : array, tensor or DataFrame, shape (n, ...)
            Inputs, one row a sample; images are channels-last. Columns of a DataFrame are found by name from then on.
        y : array, tensor, Series or DataFrame, shape (n,) or (n, ...)
            Targets; NaN where one is missing.
        batch_size : int, optional
            Rows in a step; 32 by default.
        epochs : int
            The epoch to train to: ``epochs - initial_epoch`` passes over the rows.
        verbose : {'auto', 0, 1, 2}
            0: silent. 1: a line for each epoch and a moving bar. 2: a line for each epoch. 'auto': 1 on a terminal.
        callbacks : list of Callback, optional
            See `handson.callbacks`.
        validation_split : float
            The share of rows to validate on. Unlike in Keras, rows are shuffled first, classes keep their proportions,
            and groups are not divided.
        validation_data : (x, y) or (x, y, sample_weight), optional
            Rows to validate on.
        shuffle : bool
            Whether every epoch has an order of its own.
        class_weight : dict of int to float, optional
            A weight for each class.
        sample_weight : array, shape (n,), optional
            A weight for each row.
        initial_epoch : int
            The epoch to start from, when a training goes on.
        validation_batch_size : int, optional
            Rows at a time in validation; by default more than `batch_size` where rows are small.
        validation_freq : int
            Validate after every so many epochs.
        groups : array, shape (n,), optional
            Rows of one group (a person, an object) stay together in `validation_split`.
        augment : Augment or function, optional
            Changes each training batch: see `handson.data.Augment`.
        seed : int, optional
            The seed of everything random in this training; weights that are still as the net drew them are drawn again
            from it, unless the net was given a seed itself. What was trained, set or loaded stays. None: the net's own
            seed.
        missing : {'mask', 'drop'}
            'mask': missing targets count nowhere. 'drop': rows that miss a target are left out.
        engine : str
            How steps are executed: 'auto', or the name of an engine.
        evaluate_training : bool
            Also measure the training rows in evaluation mode after every epoch, as 'train_loss' and so on: the loss
            during the epoch, with dropout and changing weights, is not comparable to 'val_loss'.
        terminate_on_nan : bool
            Raise `TrainingError` at a loss that is NaN or infinite, naming the layer and step where it began.
        run : str or path, optional
            A folder that the training is recorded in. The same call with the same folder goes on where it was stopped,
            however that happened, with the same numbers, bit for bit.
        resume : {'auto', 'never', 'force'}
            'auto': go on if the folder holds a run, and refuse if net, arguments or data have changed. 'never': refuse
            a folder that holds a run. 'force': go on although something has changed.
        checkpoint_seconds : float
            How often the state is saved into the folder, at most.

        Returns
        -------
        History
            Losses and metrics by epoch; also kept as `history`.

        Raises
        ------
        HandsonError
            When data, net and loss do not belong together; before the first step.
        TrainingError
            When the loss is not a number any more.
        SystemExit
            With status 75, after SIGTERM, SIGUSR1 or Ctrl-C have stopped a recorded training and it was saved.
        """
        self.need_compiled("fit")
        from handson.training.fit import fit
        from handson.training.preparation.arguments import Arguments

        names = {name: value for name, value in locals().items() if name in Arguments.__dataclass_fields__}
        return fit(self, x, y, Arguments(**names))

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        sample_weight: Any = None,
        *,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics in evaluation mode: exact means over all rows.

        Returns
        -------
        float, list of float or dict
            The loss; with metrics a list of the loss and the metrics; with `return_dict` a dictionary by name.
        """
        self.need_compiled("evaluate")
        from handson.training.fit import evaluate

        means = evaluate(self, x, y, batch_size, sample_weight)
        if verbose in (1, 2):
            console.say("  ".join(f"{name} {value:.5g}" for name, value in means.items()))
        return means if return_dict else list(means.values()) if self.metrics else means["loss"]

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> np.ndarray:
        """The outputs for some inputs, in the units of the targets.

        Parameters
        ----------
        x : array, tensor or DataFrame, shape (n, ...)
            Inputs; those columns of a DataFrame that the net was fitted on, in any order.
        batch_size : int, optional
            Rows at a time; the outputs do not depend on it beyond rounding.
        verbose : int
            There for code that names it: predictions print nothing.

        Returns
        -------
        ndarray of float32, shape (n, ...)
        """
        from handson.training.fit import predict

        return predict(self, x, batch_size)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, *, return_dict: bool = False
    ) -> Any:
        """One step on one batch.

        Returns
        -------
        float, list of float or dict
            The loss before the step; with metrics a list of the loss and the metrics.
        """
        self.need_compiled("train_on_batch")
        from handson.training.fit import train_on_batch

        means = train_on_batch(self, x, y, sample_weight, class_weight)
        return means if return_dict else list(means.values()) if self.metrics else means["loss"]

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the net, its weights, scalings and optimizer in one file without code: see `handson.files`.

        Parameters
        ----------
        filepath : str or path
            Ending in '.handson'.
        overwrite : bool
            False: raise when the file is there.
        """
        from handson.files import save_model

        save_model(self, filepath, overwrite)

    @classmethod
    def load(cls, filepath: str | os.PathLike[str]) -> Any:
        """The net saved in a file: see `handson.load`."""
        from handson.files import load_model

        return load_model(filepath)

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the weights.

        Parameters
        ----------
        filepath : str or path
            '.h5': HDF5 in the layout of Keras 3's weight files. '.safetensors': named tensors.
        overwrite : bool
            False: raise when the file is there.
        """
        from handson.files import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(
        self, filepath: str | os.PathLike[str], by_name: bool = False, skip_mismatch: bool = False
    ) -> dict[str, str]:
        """Load weights from a file, of handson's or of Keras 3.

        Parameters
        ----------
        filepath : str or path
            A '.h5', '.safetensors' or '.handson' file.
        by_name : bool
            Match layers by their names, and leave out those that the file or the net does not have.
        skip_mismatch : bool
            Leave out layers whose shapes differ.

        Returns
        -------
        dict of str to str
            Every layer that was left out, and why; it is printed too.
        """
        from handson.files import load_weights

        skipped = load_weights(self, filepath, by_name, skip_mismatch)
        for layer, reason in skipped.items():
            console.say(f"load_weights: {layer} left as it is: {reason}")
        return skipped

    def tell(self, text: str) -> None:
        """Print what was decided or noticed, unless the training is silent."""
        if self.verbose:
            console.say(text)

