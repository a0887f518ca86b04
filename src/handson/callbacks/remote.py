"""A callback that tells a server how a training goes."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
import warnings

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
