"""The verbs of a net, as Keras's users know them: compile, fit, evaluate, predict, save, load. Each delegates."""

from __future__ import annotations

import functools
from typing import Any

from handson import optimizers
from handson.core import console, registry, tree
from handson.core.errors import HandsonError, whole
from handson.core.older import accepting
from handson.data.rows.scaling import Scaling
from handson.layers.shapes import map_shapes
from handson.losses import Loss
from handson.metrics import Metric
from handson.models.older_verbs import OlderVerbs
from handson.models.own_steps import OwnSteps, check_verb
from handson.models.saved import Saved
from handson.models.structure import Structure
from handson.models.tuning import Tuning
from handson.optimizers import Optimizer
from handson.state.history import History
from handson.state.in_training import check_unused
from handson.training.preparation.compiled import Compiled, Term
from handson.training.preparation.contract import head_of
from handson.training.preparation.net import Net
from handson.training.preparation.objective import Objective

COMPILED_LATER = (
    "Compile it before fit, or after it. In a training model.optimizer.learning_rate = ... and layer.trainable = ... "
    "hold at once."
)


class Verbs(Saved, OlderVerbs, OwnSteps, Tuning, Structure):
    """What a net can be asked to do."""

    _compiled: Compiled | None = None
    _terms: list[Term] | None = None
    input_scalings: list[Scaling | None] | None
    target_scalings: list[Scaling | None] | None

    @accepting()
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
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
        run_eagerly : bool
            True: every training runs on the engine 'eager', step by step in PyTorch, where a debugger can stop.
        steps_per_execution, jit_compile, auto_scale_loss
            For code of Keras that names them; no number depends on them here. How many steps run in one go, and what
            is compiled, follows from the net and the machine (`fit(engine=...)` decides otherwise), and losses need no
            scaling: weights and their gradients are never float16.
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
        check_unused(self, "compile", COMPILED_LATER, alone=True)
        whole("steps_per_execution", steps_per_execution, 1)
        if jit_compile not in ("auto", True, False):
            raise HandsonError(f"jit_compile is 'auto', True or False; got {jit_compile!r}.")
        given = optimizers.get(optimizer)
        given.claim(self, given is not (self._compiled.optimizer if self._compiled else None))
        compiled = Compiled(
            given,
            loss,
            loss_weights,
            metrics,
            weighted_metrics,
            scale_inputs,
            scale_targets,
            precision,
            bool(run_eagerly),
        )
        before = self._compiled
        if before is None or compiled.scalings() != before.scalings():
            self.input_scalings = self.target_scalings = None
        self._compiled = compiled
        self.forget_terms()

    @property
    def terms(self) -> list[Term]:
        """What is minimized and measured at each output, as `compile` says."""
        if self._terms is not None:
            return self._terms
        compiled, widths = self.need_compiled("the loss"), [None]
        if self._outputs is not None:
            widths = tree.leaves(map_shapes(lambda shape: shape[-1] if len(shape) > 1 else None, self._outputs))
        known = self._outputs is not None
        heads = [head_of(self, number) if known else None for number in range(len(self.output_names))]
        terms = compiled.terms(self.output_names, widths, heads)
        self._terms = terms if self._outputs is not None else None
        return terms

    def quantities(self) -> list[str]:
        """The names of what is reported: the loss, those of the outputs, and the metrics."""
        return Objective(self.terms, []).names()

    def forget_terms(self) -> None:
        """Losses and metrics are worked out anew when they are needed."""
        self._terms = None

    @property
    def loss(self) -> Loss | None:
        """The loss of the first output."""
        return self.terms[0].loss

    @property
    def metrics(self) -> list[Metric]:
        """The compiled metrics of all outputs.

        Of a net with steps of its own also its mean loss, and the metrics among its attributes.
        """
        compiled = [metric for term in self.terms for metric, _ in term.measured()] if self.compiled else []
        if not self.own_steps:
            return compiled
        loss = [self._loss_tracker] if self.compiled and any(term.loss is not None for term in self.terms) else []
        return [*loss, *compiled, *(value for value in vars(self).values() if isinstance(value, Metric))]

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` and `train_on_batch` give, in its order."""
        if not self.compiled:
            return []
        if self.own_steps:
            return [metric.name for metric in self.metrics]
        from handson.training.preparation.objective import Objective

        return Objective(self.terms, [None] * len(self.terms)).names()

    @functools.cached_property
    def _loss_tracker(self) -> Metric:
        return registry.find("metric", "Mean")(name="loss")

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
        check_verb(self, verb)
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
    def run_eagerly(self) -> bool:
        """Whether every training runs step by step in PyTorch."""
        return self._compiled is not None and self._compiled.run_eagerly

    @property
    def scale_inputs(self) -> Any:
        """How inputs are scaled, as `compile` was told."""
        return None if self._compiled is None else self._compiled.scale_inputs

    @property
    def scale_targets(self) -> Any:
        """How targets are scaled, as `compile` was told."""
        return None if self._compiled is None else self._compiled.scale_targets

    @accepting(nb_epoch="epochs")
    def fit(
        self: Net,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
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
        monitor: Any = False,
        devices: int | None = None,
        shards: int | None = None,
        exact: bool = True,
    ) -> History:
        """Train the net.

        Parameters
        ----------
        x : array, tensor or DataFrame, shape (n, ...)
            Inputs, one row a sample; images are channels-last. Columns of a DataFrame are found by name from then on.
            Several inputs: a list of them in the net's order, or a dictionary by the names of the inputs.
            Or what gives batches of (x, y) or (x, y, sample_weight): a generator, any iterable, a function that returns
            one and may ask for `epoch` and `step`, a `DataLoader` or `Dataset` of PyTorch, a `PyDataset`.
        y : array, tensor, Series or DataFrame, shape (n,) or (n, ...)
            Targets; NaN where one is missing. Several outputs: a list or a dictionary.
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
        class_weight, sample_weight : dict or sequence, array of shape (n,), optional
            A weight for each class, for each row; of sequences also for each step, of shape (n, steps). They apply to
            rows that train: rows of `validation_split` count alike, those of `validation_data` as its third part says.
        initial_epoch : int
            The epoch to start from, when a training goes on.
        steps_per_epoch, validation_steps : int, optional
            Batches in an epoch, and in a validation, of data that come in batches; by default all there are. Of arrays
            an epoch sees the first so many batches of its order.
        validation_batch_size, validation_freq : int, optional
            Rows at a time, by default more than `batch_size` where rows are small; validate after so many epochs.
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
            Also measure the training rows after every epoch, as 'train_loss' and so on: the loss during the epoch, with
            dropout and changing weights, is not comparable to 'val_loss'.
        terminate_on_nan : bool
            Raise `TrainingError` at a loss that is NaN or infinite, naming the layer and step where it began.
        run : str or path, optional
            A folder that the training is recorded in. The same call with the same folder goes on where it was stopped,
            however that happened, with the same numbers, bit for bit.
        resume : {'auto', 'never', 'force', 'join'}
            'auto': go on if the folder holds a run, and refuse if net, arguments or data have changed. 'never': refuse
            a folder that holds a run. 'force': go on although something has changed. 'join': this process becomes one
            more worker of the training that runs in the folder, as long as that lasts; see docs/devices.md.
        checkpoint_seconds : float
            How often the state is saved into the folder, at most.
        monitor : bool or Monitor
            Look into the net: activations, gradients, weights and updates of every layer over the training, in
            `history.journal` and, of a recorded training, in the folder's `journal.jsonl`. The training has the same
            numbers with and without; see `handson.callbacks.Monitor`.
        devices : int, optional
            How many workers train the net together: processes that are started here, or those that torchrun or srun
            has started. A script that starts them has its work under ``if __name__ == "__main__":``. See
            docs/devices.md.
        shards : int, optional
            Parts that a batch is cut into, a power of two, 8 by default. The numbers depend on how many there are, and
            not on how many workers compute them.
        exact : bool
            False: every worker computes one part, and sums are taken in the order that is fastest, so that the last
            digits depend on how many workers there are.

        Returns
        -------
        History
            Losses and metrics by epoch; also kept as `history`.

        Raises
        ------
        HandsonError
            When data, net and loss do not belong together; before the first step.
        TrainingError
            When the loss becomes NaN or infinite.
        SystemExit
            With status 75, after SIGTERM, SIGUSR1, SIGHUP or Ctrl-C have stopped a recorded training and it was saved.
        """
        self.need_compiled("fit")
        from handson.training.fit import fit
        from handson.training.preparation.arguments import Arguments

        names = {name: value for name, value in locals().items() if name in Arguments.__dataclass_fields__}
        arguments = Arguments(**names)
        if self.run_eagerly and engine == "auto" and not arguments.sharded:
            arguments.engine = "eager"
        return fit(self, x, y, arguments)

    @accepting()
    def evaluate(
        self: Net,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics in evaluation mode: exact means over all rows.

        Parameters
        ----------
        x, y, batch_size, sample_weight
            As in `fit`; the results do not depend on `batch_size` beyond rounding.
        steps : int, optional
            Batches to measure, of data that come in batches.
        verbose, callbacks
            1 and 2 print the results; of callbacks `on_test_...` are called.

        Returns
        -------
        float, list of float or dict
            The loss; with metrics a list of the loss and the metrics; with `return_dict` a dictionary by name.
        """
        self.need_compiled("evaluate")
        from handson.training.measuring import evaluate

        means = evaluate(self, x, y, batch_size, sample_weight, steps, callbacks)
        if verbose in (1, 2):
            console.say("  ".join(f"{name} {value:.5g}" for name, value in means.items()))
        return means if return_dict else list(means.values()) if self.metrics else means["loss"]

    @accepting()
    def predict(
        self: Net,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        callbacks: Any = None,
        *,
        spread: bool | str = False,
        quantiles: Any = None,
        samples: int = 50,
    ) -> Any:
        """The outputs for some inputs, in the units of the targets; of a net that predicts distributions, their means.

        Parameters
        ----------
        x : array, tensor or DataFrame, shape (n, ...)
            Inputs; those columns of a DataFrame that the net was fitted on, in any order.
        batch_size : int, optional
            Rows at a time; the outputs do not depend on it beyond rounding.
        steps : int, optional
            Batches to predict.
        verbose, callbacks
            `verbose` is ignored: predictions are not chatty. Of callbacks `on_predict_...` are called.
        spread : bool or 'dropout'
            Also give the standard deviation, of a net that ends with a head such as `GaussianDensity`; with 'dropout',
            of any net that has dropout, that of so many runs with dropout at work.
        quantiles : sequence of float, optional
            Give the quantiles of the predicted distributions at these levels instead.
        samples : int
            How many runs there are with ``spread='dropout'``; they follow from the net's seed.

        Returns
        -------
        ndarray of float32, shape (n, ...)
            With several outputs a list or dictionary of them. With `spread` a `Prediction`: mean and spread, which has
            the parts of the spread as attributes. With `quantiles` shape (levels, n, ...).

        Raises
        ------
        HandsonError
            When a spread is asked of a net that predicts none.
        """
        check_verb(self, "predict")
        from handson.training.measuring import predict
        from handson.training.spread import PredictOptions

        return predict(self, x, PredictOptions(spread, quantiles, samples, batch_size, steps, callbacks))

    @accepting()
    def train_on_batch(
        self: Net,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        *,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch.

        Returns the loss before the step; with metrics a list of the loss and the metrics, or a dictionary.
        """
        self.need_compiled("train_on_batch")
        from handson.training.measuring import train_on_batch

        means = train_on_batch(self, x, y, sample_weight, class_weight)
        return means if return_dict else list(means.values()) if self.metrics else means["loss"]

    @accepting()
    def test_on_batch(self: Net, x: Any, y: Any = None, sample_weight: Any = None, *, return_dict: bool = False) -> Any:
        """The loss of one batch in evaluation mode.

        With metrics a list of the loss and the metrics, or a dictionary: those of this batch, not of the batches before
        it too.
        """
        self.need_compiled("test_on_batch")
        from handson.training.measuring import evaluate

        means = evaluate(self, x, y, None, sample_weight, None)
        return means if return_dict else list(means.values()) if self.metrics else means["loss"]

    @accepting()
    def predict_on_batch(self: Net, x: Any) -> Any:
        """The outputs for one batch, as `predict` gives them."""
        check_verb(self, "predict_on_batch")
        from handson.training.measuring import predict

        return predict(self, x)
