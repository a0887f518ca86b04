"""`Model`: any `torch.nn.Module`, with the verbs that Keras users know. Each verb delegates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handson import losses, optimizers
from handson import metrics as metrics_of
from handson.core import console, registry
from handson.core.errors import HandsonError, nearest
from handson.core.summary import Row, table
from handson.data.rows.mapped import Data
from handson.data.rows.scaling import Scaling
from handson.layers import ownership
from handson.layers.base import Layer, Shape, assign
from handson.models.device import default_device
from handson.models.own_steps import check_verb
from handson.models.saved import Saved
from handson.optimizers import Optimizer
from handson.randomness.keys import check_seed, fresh_seed
from handson.state.history import History
from handson.state.precision import check_precision
from handson.state.state import named_weights


class Model(Saved, nn.Module):
    """A net that can be compiled, fitted, evaluated and saved; it is itself a `torch.nn.Module`.

    Parameters
    ----------
    module : torch.nn.Module
        Any module that maps one tensor to one tensor. It is given the inputs exactly as you pass them.
    name : str, optional
        A name.
    seed : int, optional
        The seed of initial weights, shuffling, dropout and augmentation. None: a fresh one, kept in `seed`.

    Examples
    --------
    >>> net = Model(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)))
    >>> net.compile("adam", "mse")
    >>> history = net.fit(np.ones((64, 3)), np.ones(64), epochs=2, verbose=0)
    >>> net.predict(np.ones((5, 3))).shape
    (5, 1)
    """

    kind = "model"

    def __init__(self, module: nn.Module | None = None, name: str | None = None, seed: int | None = None) -> None:
        super().__init__()
        if module is not None:
            if not isinstance(module, nn.Module):
                raise HandsonError(
                    f"Model takes a torch.nn.Module; got {module!r}. A list of layers: Sequential([...])."
                )
            self.module = module
        self.given_name, self.named = name, name is not None
        self.stem = registry.snake_case(type(self).__name__)
        self.name = name or self.stem
        self.seed = None if seed is None else check_seed(seed)
        self.age, self.stop_training, self.compiled = 0, False, False
        self.history: History | None = None
        self.optimizer: Optimizer
        self.loss: losses.Loss
        self.scale_inputs = self.scale_targets = None
        self.precision = "float32"
        self.input_scaling: Scaling | None = None
        self.target_scaling: Scaling | None = None
        self.input_names: list[str] | None = None  # known from `fit` on, as are those of the targets
        self.target_names: list[str] | None = None
        self.metric_identifiers: list[Any] = []
        self._metrics: list[metrics_of.Metric] | None = None
        self.seed_given = seed is not None
        self._output_shape: Shape | None = None

    # What the net is made of.

    @property
    def layers(self) -> list[nn.Module]:
        """The layers, in order; of a wrapped module, its children."""
        return list(self.module.children()) or [self.module]

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return True

    @property
    def device(self) -> torch.device:
        """Where the net computes."""
        return next((weight.device for weight in self.parameters()), default_device())

    @property
    def trainable(self) -> bool:
        """Whether training changes any weight; set it to freeze or thaw all layers, at any time."""
        layers = any(part.trainable for part in self.modules() if isinstance(part, Layer))
        return layers or any(weight.requires_grad for weight in self.parameters())

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for part in self.modules():
            if isinstance(part, Layer):
                part.trainable = value
        self.requires_grad_(bool(value))

    @property
    def output_shape(self) -> Shape | None:
        """The shape of the outputs, None for the batch; None before it is known."""
        return self._output_shape

    @property
    def metrics(self) -> list[metrics_of.Metric]:
        """The compiled metrics."""
        if self._metrics is None:
            outputs = self.output_shape[-1] if self.output_shape else None
            self._metrics = metrics_of.several(self.metric_identifiers, self.loss, outputs)
        return self._metrics

    def ensure_built(self, inputs: Data) -> None:
        """Bring the net to its device and learn the shape of its outputs."""
        self.seed = fresh_seed() if self.seed is None else self.seed
        self.place()
        if self._output_shape is None:
            ownership.claim(self, self.named_children())
            self._set_output_shape((None, *self.probe(inputs[:2]).shape[1:]))
        self._tell_paths()

    def place(self) -> None:
        """Bring the net to the device that it computes on."""
        self.to(default_device())

    def _set_output_shape(self, shape: Shape) -> None:
        self._output_shape, self._metrics = shape, None
        self._tell_paths()

    def _tell_paths(self) -> None:
        """Tell layers that draw random numbers where they are: in this net, though others may hold them too."""
        for path, layer in self.named_modules():
            if hasattr(layer, "path"):
                layer.path = path

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)

    @torch.no_grad()
    def probe(self, inputs: Tensor) -> Tensor:
        """The outputs for a few rows in evaluation mode, as the net gives them (scaled)."""
        self.eval()
        batch = inputs.to(self.device, torch.float32)
        output = self(batch if self.input_scaling is None else self.input_scaling.to(self.device).apply(batch))
        if not isinstance(output, Tensor):
            raise HandsonError(f"the net must give one tensor; it gives {type(output).__name__}.")
        return output.cpu()

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by its name or position.

        Raises
        ------
        HandsonError
            When there is no such layer; the message names the nearest.
        """
        if (name is None) == (index is None):
            raise HandsonError("get_layer takes a name or an index, one of the two.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise HandsonError(f"there is no layer {index}: the net has {len(self.layers)}.")
            return self.layers[index]
        named = dict(self._named_layers())
        for layer in [*named.values()]:  # a layer may have another name of its own
            named.setdefault(getattr(layer, "name", None) or "", layer)
        named.pop("", None)
        if name not in named:
            raise HandsonError(f"no layer is called {name!r}.{nearest(str(name), named)} Layers: {', '.join(named)}.")
        return named[name]

    def _named_layers(self) -> Iterable[tuple[str, nn.Module]]:
        return self.module.named_children()

    @property
    def weights(self) -> list[Tensor]:
        """All weights, layer by layer, in Keras's order and layouts."""
        return list(named_weights(self).values())

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights as NumPy arrays, in Keras's order and layouts."""
        return [weight.detach().cpu().numpy().copy() for weight in self.weights]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Set all weights from arrays in the order of `get_weights`; nothing is changed if a shape does not fit."""
        assign(self.name, self.weights, weights)

    def count_params(self) -> int:
        """The number of values in all weights."""
        return sum(weight.numel() for weight in self.weights)

    def summary(self, line_length: int | None = None, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print the layers with their output shapes and numbers of parameters.

        Parameters
        ----------
        line_length : int, optional
            The width of the table; by default 65, or as wide as names need.
        print_fn : function, optional
            Called with the text, in place of `print`.
        """
        trainable = sum(weight.numel() for weight in self.parameters() if weight.requires_grad)
        (print_fn or print)(table(self._summary_rows(), trainable, self.count_params() - trainable, line_length))

    def _summary_rows(self) -> list[Row]:
        return [
            Row(name or self.name, type(leaf).__name__, "", sum(w.numel() for w in named_weights(leaf).values()))
            for name, leaf in self.module.named_modules()
            if not list(leaf.children())
        ]

    # The verbs.

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
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
        loss : str, Loss or function
            What is minimized.
        metrics : list of str, Metric or function, optional
            What else is measured, in the units of the targets.
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
        if loss is None:
            raise HandsonError("compile needs a loss, such as loss='mse'.")
        self.precision = check_precision(precision)
        self.loss = losses.get(loss)
        chosen = optimizers.get(optimizer)
        chosen.claim(self)
        self.optimizer = chosen
        given = [] if metrics is None else list(metrics) if isinstance(metrics, (list, tuple)) else [metrics]
        self.metric_identifiers, self._metrics = given, None
        metrics_of.several(given, self.loss)  # unknown names are an error now, not in fit
        self.compiled = True
        if (scale_inputs, scale_targets) != (self.scale_inputs, self.scale_targets):
            self.scale_inputs, self.scale_targets = scale_inputs, scale_targets
            self.input_scaling = self.target_scaling = None

    def _need_compiled(self, verb: str) -> None:
        check_verb(self, verb)
        if not self.compiled:
            raise HandsonError(f"{verb} needs a compiled net: call compile(optimizer='adam', loss=...) first.")

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
        class_weight: Any = None,
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
        class_weight, sample_weight : dict or sequence, array of shape (n,), optional
            A weight for each class, for each row. They apply to rows that train: rows of `validation_split` count
            alike, those of `validation_data` as its third part says.
        initial_epoch : int
            The epoch to start from, when a training goes on.
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
        self._need_compiled("fit")
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
        callbacks: Any = None,
        *,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics in evaluation mode: exact means over all rows.

        Parameters
        ----------
        x, y, batch_size, sample_weight
            As in `fit`; the results do not depend on `batch_size` beyond rounding.
        verbose, callbacks
            1 and 2 print the results; of callbacks `on_test_...` are called.

        Returns
        -------
        float, list of float or dict
            The loss; with metrics a list of the loss and the metrics; with `return_dict` a dictionary by name.
        """
        self._need_compiled("evaluate")
        from handson.training.fit import evaluate

        means = evaluate(self, x, y, batch_size, sample_weight, callbacks)
        if verbose in (1, 2):
            console.say("  ".join(f"{name} {value:.5g}" for name, value in means.items()))
        return means if return_dict else list(means.values()) if self.metrics else means["loss"]

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0, callbacks: Any = None) -> np.ndarray:
        """The outputs for some inputs, in the units of the targets.

        Parameters
        ----------
        x : array, tensor or DataFrame, shape (n, ...)
            Inputs; those columns of a DataFrame that the net was fitted on, in any order.
        batch_size : int, optional
            Rows at a time; the outputs do not depend on it beyond rounding.
        verbose, callbacks
            `verbose` is ignored: predictions are not chatty. Of callbacks `on_predict_...` are called.

        Returns
        -------
        ndarray of float32, shape (n, ...)
        """
        check_verb(self, "predict")
        from handson.training.fit import predict

        return predict(self, x, batch_size, callbacks)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, *, return_dict: bool = False
    ) -> Any:
        """One step on one batch.

        Returns the loss before the step; with metrics a list of the loss and the metrics, or a dictionary.
        """
        self._need_compiled("train_on_batch")
        from handson.training.fit import train_on_batch

        means = train_on_batch(self, x, y, sample_weight, class_weight)
        return means if return_dict else list(means.values()) if self.metrics else means["loss"]

    def redraw(self, seed: int) -> None:
        """Draw the initial weights again, from another seed: those that are still as they were drawn for this net.

        What was trained, set, loaded or changed in any way stays, and so does what another net drew.
        """
        if ownership.redraw(self, seed):
            self.seed = seed

    def get_config(self, compact: bool = False) -> dict[str, Any]:
        """The net as JSON, which there is not for a module of PyTorch."""
        module = type(self._modules.get("module", self)).__name__
        raise HandsonError(
            f"the net {self.name!r} is a {module} of PyTorch, which a file cannot describe: files hold no code. Save "
            f"its weights with save_weights() and load them into the same net with load_weights(), or build the net "
            f"of layers: a handson.layers.Layer of your own is known to files once you register it with "
            f"@handson.register."
        )
