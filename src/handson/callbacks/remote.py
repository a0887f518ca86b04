"""Callbacks that tell other programs how a training goes: TensorBoard, and a server that is sent each epoch."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from handson.callbacks.base import Callback, Logs
from handson.core.errors import HandsonError
from handson.core.registry import register

# A server that does not answer holds a training up for so long.
SECONDS = 5.0


@register
class RemoteMonitor(Callback):
    """Sends the numbers of each epoch to a server; a server that does not answer is warned of, and ends nothing.

    Parameters
    ----------
    root : str
        The address of the server.
    path : str
        Where on it.
    field : str
        The name of the field of a form that holds the numbers as JSON.
    headers : dict, optional
        Further headers of HTTP.
    send_as_json : bool
        Send JSON, not a form.

    Examples
    --------
    >>> RemoteMonitor("http://localhost:9000").path
    '/publish/epoch/end/'
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        if urllib.parse.urlsplit(root).scheme not in ("http", "https"):
            raise HandsonError(f"RemoteMonitor: root is an address such as 'http://localhost:9000'; got {root!r}.")
        self.root, self.path, self.field, self.headers, self.send_as_json = root, path, field, headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        numbers = {"epoch": epoch} | {name: float(value) for name, value in (logs or {}).items()}
        text = json.dumps(numbers)
        body = text if self.send_as_json else urllib.parse.urlencode({self.field: text})
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        request = urllib.request.Request(
            self.root + self.path, body.encode(), {"Content-Type": kind} | (self.headers or {}), method="POST"
        )
        try:
            urllib.request.urlopen(request, timeout=SECONDS).close()
        except (urllib.error.URLError, OSError) as error:
            warnings.warn(f"RemoteMonitor: {self.root} cannot be reached: {error}", stacklevel=2)


@register
class TensorBoard(Callback):
    """Writes losses, metrics and the learning rate for TensorBoard, and histograms of weights if asked to.

    It needs the package `tensorboard`. Training numbers lie in the folder `train`, those of validation in `validation`,
    under Keras's names (`epoch_loss`).

    Parameters
    ----------
    log_dir : str or path
        The folder.
    histogram_freq : int
        Write histograms of all weights after every so many epochs; 0 for never.
    write_graph, write_images : bool
        There for code of Keras: no graph and no images are written. `net.summary()` and `handson.plots` show them.
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
        self.log_dir, self.histogram_freq, self.update_freq = os.fspath(log_dir), histogram_freq, update_freq
        self.write_graph, self.write_images = write_graph, write_images
        self.write_steps_per_second, self._started = write_steps_per_second, (0, 0.0)
        self.profile_batch, self.embeddings_freq, self.embeddings_metadata = 0, 0, None
        self._writers: dict[str, Any] = {}
        self._step = 0

    @property
    def step_interval(self) -> int | None:
        """After how many steps it wants to look."""
        return {"epoch": None, "batch": 1}.get(self.update_freq, self.update_freq)

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise HandsonError("TensorBoard needs the package tensorboard: pip install tensorboard.") from None
            self._writers[part] = SummaryWriter(str(Path(self.log_dir) / part))
        return self._writers[part]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._step = 0
        self._writer("train")

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._started = self.model.optimizer.iterations, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._step += self.step_interval or 1
        for name, value in (logs or {}).items():
            self._writer("train").add_scalar(f"batch_{name}", float(value), self._step)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        for name, value in (logs or {}).items():
            part, name = ("validation", name.removeprefix("val_")) if name.startswith("val_") else ("train", name)
            self._writer(part).add_scalar(f"epoch_{name}", float(value), epoch)
        if self.write_steps_per_second:
            steps, seconds = self._started
            speed = (self.model.optimizer.iterations - steps) / max(time.perf_counter() - seconds, 1e-9)
            self._writer("train").add_scalar("epoch_steps_per_second", speed, epoch)
        rate = self.model.optimizer.learning_rate
        if isinstance(rate, float):
            self._writer("train").add_scalar("epoch_learning_rate", rate, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for name, weight in self.model.state_dict().items():
                self._writer("train").add_histogram(name, np.asarray(weight.detach().cpu()), epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
