"""A callback that writes what TensorBoard shows."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from handson.callbacks.base import Callback, Logs
from handson.core import tree
from handson.core.errors import HandsonError, whole
from handson.core.registry import register
from handson.files.events import EventFile, GraphNode

MOST_PIXELS, MOST_TILES = 1 << 20, 256


@register
class TensorBoard(Callback):
    """Writes losses, metrics, the learning rate and the net for TensorBoard; histograms and pictures if asked to.

    The files are written without TensorFlow; to look at them, `pip install tensorboard`. Training numbers lie in the
    folder `train`, those of validation in `validation`, under Keras's names (`epoch_loss`). What the training was given
    lies in the folder itself, so that the table of hyperparameters has both beside it.

    Parameters
    ----------
    log_dir : str or path
        The folder.
    histogram_freq : int
        Write histograms of all weights after every so many epochs; 0 for never.
    write_graph : bool
        Whether the net is written: its graph, its table of layers and what the training was given.
    write_images : bool
        Whether kernels of at most a million values are also written as pictures, with the histograms: matrices, and the
        first 256 windows of a convolution side by side.
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
            self._writer("").hyperparameters(_given(self.model.optimizer, self.params))

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
        # By layers; TensorBoard knows one kind of data under a name.
        tag, writer = name.replace(".", "/"), self._writer("train")
        writer.histogram(f"{tag}/histogram", values, epoch)
        if self.write_images and 2 <= values.ndim <= 4 and 0 < values.size <= MOST_PIXELS and np.isfinite(values).all():
            writer.image(f"{tag}/image", _picture(values), epoch)

    def on_test_end(self, logs: Logs | None = None) -> None:
        for name, value in (logs or {}).items():
            tag = f"evaluation_{name}_vs_iterations"
            self._writer("validation").scalar(tag, float(value), self.model.optimizer.iterations)
        if not self._trains:
            self._close()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._trains = False
        if self.write_graph:
            self._writer("").finished()
        self._close()

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


def _given(optimizer: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """What the training was given: TensorBoard sorts the names, and shows the first five unless asked for more."""
    config = {name: value for name, value in optimizer.get_config().items() if name != "learning_rate"}
    plain = {f"optimizer_{name}": value for name, value in config.items() if isinstance(value, (bool, int, float, str))}
    schedule = optimizer.schedule  # one of a whole training has no value before its first step
    rate = float(optimizer.learning_rate) if schedule is None else str(schedule)
    length = {name: params[name] for name in ("batch_size", "epochs") if params.get(name) is not None}
    return {**length, "learning_rate": rate, "optimizer": type(optimizer).__name__, **plain}


def _picture(values: np.ndarray) -> np.ndarray:
    """A kernel as pixels: a matrix lies on its side, the windows of a convolution stand in a grid."""
    if values.ndim == 2:
        return _as_pixels(values if values.shape[0] <= values.shape[1] else values.T)[:, :, None]
    windows = _as_pixels(values[None] if values.ndim == 3 else values)  # those over one dimension lie
    height, width, inputs, _ = windows.shape
    channels = 3 if inputs == 3 else 1
    tiles = np.moveaxis(windows, 3, 0) if channels == 3 else windows.transpose(3, 2, 0, 1)
    return _side_by_side(tiles.reshape(-1, height, width, channels)[:MOST_TILES])


def _as_pixels(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return (255 * (values - low) / max(high - low, 1e-12)).astype(np.uint8)


def _side_by_side(tiles: np.ndarray) -> np.ndarray:
    """Pictures in rows and columns, with a line between them."""
    count, height, width, channels = tiles.shape
    columns = math.ceil(math.sqrt(count * height / width))
    rows = -(-count // columns)
    filled = np.zeros((rows * columns, height + 1, width + 1, channels), np.uint8)
    filled[:count, :-1, :-1] = tiles
    grid = filled.reshape(rows, columns, height + 1, width + 1, channels).swapaxes(1, 2)
    return grid.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]


def _table(model: Any) -> list[str]:
    lines: list[str] = []
    model.summary(print_fn=lambda line: lines.extend(str(line).splitlines()))
    return lines


def _nodes(model: Any) -> list[GraphNode]:
    """The parts of a net, each with those before it."""
    if model.graph is None:
        names = [layer.name if hasattr(layer, "name") else f"layer_{at}" for at, layer in enumerate(model.layers)]
        return [
            GraphNode(name, type(layer).__name__, names[max(at - 1, 0) : at])
            for at, (name, layer) in enumerate(zip(names, model.layers, strict=True))
        ]
    makers = {id(entry): str(entry.name or f"input_{at}") for at, entry in enumerate(model.graph.entries)}
    found = [GraphNode(makers[id(entry)], "Input", [], [entry.shape]) for entry in model.graph.entries]
    for at, node in enumerate(model.graph.nodes):
        called = str(getattr(node.function, "name", None) or getattr(node.function, "__name__", "operation"))
        name = called if called not in {each.name for each in found} else f"{called}_{at}"
        before = [makers[id(symbol)] for symbol in node.inputs if id(symbol) in makers]
        outputs = tree.leaves(node.outputs)
        shapes = [symbol.shape for symbol in outputs]
        found.append(GraphNode(name, type(node.function).__name__, before, shapes, _attributes(node.function)))
        makers |= {id(symbol): name for symbol in outputs}
    return found


def _attributes(part: Any) -> dict[str, Any]:
    """The arguments of a layer that were given and are short."""
    config = part.get_config() if hasattr(part, "get_config") else {}
    return {name: value for name, value in config.items() if value is not None and not isinstance(value, (dict, list))}
