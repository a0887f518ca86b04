"""A callback that writes what TensorBoard shows."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from handson.callbacks.base import Callback, Logs
from handson.core import tree
from handson.core.errors import HandsonError, whole
from handson.core.registry import register
from handson.files.events import EventFile


@register
class TensorBoard(Callback):
    """Writes losses, metrics, the learning rate and the net for TensorBoard; histograms and pictures if asked to.

    The files are written without TensorFlow; to look at them, `pip install tensorboard`. Training numbers lie in the
    folder `train`, those of validation in `validation`, under Keras's names (`epoch_loss`).

    Parameters
    ----------
    log_dir : str or path
        The folder.
    histogram_freq : int
        Write histograms of all weights after every so many epochs; 0 for never.
    write_graph : bool
        Whether the net is written: its graph, its table of layers and what its optimizer was given.
    write_images : bool
        Whether weights are also written as pictures, with the histograms.
    write_steps_per_second : bool
        Whether the speed is written too.
    update_freq : 'epoch' or int
        After every epoch, or also the loss after every so many batches.
    profile_batch, embeddings_freq, embeddings_metadata
        Not supported: profiling is torch.profiler's.

    Examples
    --------
    >>> TensorBoard("logs").log_dir
    'logs'
    """

    passive: ClassVar[bool] = True

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        if profile_batch or embeddings_freq or embeddings_metadata:
            raise HandsonError(
                "TensorBoard: profile_batch and embeddings are not written. Profile with torch.profiler around fit; "
                "leave these arguments out."
            )
        if update_freq not in ("epoch", "batch") and (not isinstance(update_freq, int) or update_freq < 1):
            raise HandsonError(f"TensorBoard: update_freq is 'epoch', 'batch' or a number; got {update_freq!r}.")
        self.log_dir, self.update_freq = os.fspath(log_dir), update_freq
        self.histogram_freq = whole("histogram_freq", histogram_freq, 0)
        self.write_graph, self.write_images = write_graph, write_images
        self.write_steps_per_second, self._started = write_steps_per_second, (0, 0.0)
        self.profile_batch, self.embeddings_freq, self.embeddings_metadata = 0, 0, None
        self._trains = False
        self._writers: dict[str, EventFile] = {}

    @property
    def step_interval(self) -> int | None:
        """After how many steps it wants to look."""
        return {"epoch": None, "batch": 1}.get(self.update_freq, self.update_freq)

    def _writer(self, part: str) -> EventFile:
        if part not in self._writers:
            self._writers[part] = EventFile(Path(self.log_dir) / part)
        return self._writers[part]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._trains, writer = True, self._writer("train")
        if self.write_graph:
            writer.graph(_nodes(self.model))
            writer.text("net", "".join(f"    {line}\n" for line in _table(self.model)))
            writer.hyperparameters(_given(self.model.optimizer))

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._started = self.model.optimizer.iterations, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        for name, value in (logs or {}).items():
            self._writer("train").scalar(f"batch_{name}", float(value), self.model.optimizer.iterations)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {**(logs or {}), "learning_rate": self.model.optimizer.learning_rate}
        for name, value in logs.items():
            part, name = ("validation", name.removeprefix("val_")) if name.startswith("val_") else ("train", name)
            self._writer(part).scalar(f"epoch_{name}", float(value), epoch)
        if self.write_steps_per_second:
            steps, seconds = self._started
            speed = (self.model.optimizer.iterations - steps) / max(time.perf_counter() - seconds, 1e-9)
            self._writer("train").scalar("epoch_steps_per_second", speed, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for name, weight in self.model.state_dict().items():
                self._write_weight(name, weight.detach().cpu().double().numpy(), epoch)
        for writer in self._writers.values():
            writer.flush()

    def _write_weight(self, name: str, values: np.ndarray, epoch: int) -> None:
        self._writer("train").histogram(name, values, epoch)
        if self.write_images and values.ndim > 1 and np.isfinite(values).all():
            rows = values.reshape(len(values), -1)
            low, high = rows.min(), rows.max()
            pixels = (255 * (rows - low) / max(high - low, 1e-12)).astype(np.uint8)
            self._writer("train").image(name, pixels[:, :, None], epoch)

    def on_test_end(self, logs: Logs | None = None) -> None:
        for name, value in (logs or {}).items():
            tag = f"evaluation_{name}_vs_iterations"
            self._writer("validation").scalar(tag, float(value), self.model.optimizer.iterations)
        if not self._trains:
            self._close()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._trains = False
        self._close()

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


def _given(optimizer: Any) -> dict[str, Any]:
    """The optimizer and its numbers, as hyperparameters."""
    config = optimizer.get_config()
    plain = {name: value for name, value in config.items() if isinstance(value, (bool, int, float, str))}
    schedule = optimizer.schedule  # one of a whole training has no value before its first step
    rate = float(optimizer.learning_rate) if schedule is None else type(schedule).__name__
    return {"optimizer": type(optimizer).__name__, **plain, "learning_rate": rate}


def _table(model: Any) -> list[str]:
    lines: list[str] = []
    model.summary(print_fn=lambda line: lines.extend(str(line).splitlines()))
    return lines


def _nodes(model: Any) -> list[tuple[str, str, list[str]]]:
    """The parts of a net, each with those before it."""
    if model.graph is None:
        names = [layer.name if hasattr(layer, "name") else f"layer_{at}" for at, layer in enumerate(model.layers)]
        return [
            (name, type(layer).__name__, names[max(at - 1, 0) : at])
            for at, (name, layer) in enumerate(zip(names, model.layers, strict=True))
        ]
    makers = {id(entry): str(entry.name or f"input_{at}") for at, entry in enumerate(model.graph.entries)}
    found: list[tuple[str, str, list[str]]] = [(name, "Input", []) for name in makers.values()]
    for at, node in enumerate(model.graph.nodes):
        called = str(getattr(node.function, "name", None) or getattr(node.function, "__name__", "operation"))
        name = called if called not in {each for each, _, _ in found} else f"{called}_{at}"
        before = [makers[id(symbol)] for symbol in node.inputs if id(symbol) in makers]
        found.append((name, type(node.function).__name__, before))
        makers |= {id(symbol): name for symbol in tree.leaves(node.outputs)}
    return found
