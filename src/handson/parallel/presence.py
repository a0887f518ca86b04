"""Who of the workers is still there: each holds a connection to worker 0, which ends when its process does.

The kernel closes the connections of a process that was killed, at once and whatever killed it. Those to a machine that
is gone, or was cut off, end after some 20 s. A network that does not let such connections through says nothing: then
only time tells.
"""

from __future__ import annotations

import json
import secrets
import socket
import time
from contextlib import suppress
from typing import Any

from handson.parallel.cut_links import notice_cuts
from handson.parallel.launch import LOCAL

# Where a worker finds worker 0, in their store.
KEY = "presence"
# How long a worker tries to connect, and worker 0 listens to who it is.
CONNECT_SECONDS, AGAIN_SECONDS, HELLO_SECONDS = 10.0, 0.1, 1.0
# By this worker 0 knows its own from others who happen upon the port.
WORD_BYTES = 8


class Presence:
    """The connections between worker 0 and the others, over which nothing is said.

    Parameters
    ----------
    store : torch.distributed.Store
        Where worker 0 leaves its port.
    name : int
        The number of this worker.
    host : str
        Where worker 0 is.
    workers : int
        How many there are.

    Attributes
    ----------
    word : str
        What these workers have in common, and no others that have used the same store before.

    Examples
    --------
    >>> import torch.distributed as dist
    >>> store = dist.HashStore()
    >>> leader, worker = Presence(store, 0), Presence(store, 1)
    >>> leader.gone(1), worker.close(), leader.gone(1)
    (False, None, True)
    >>> leader.close()
    """

    def __init__(self, store: Any, name: int, host: str = "127.0.0.1", workers: int = 2) -> None:
        self._links: dict[int, socket.socket] = {}
        self._server: socket.socket | None = None
        if name == 0:
            self._server, self.word = _listening(host, workers), secrets.token_hex(WORD_BYTES)
            store.set(KEY, json.dumps([self._server.getsockname()[1], self.word]))
            return
        until = time.monotonic() + CONNECT_SECONDS
        while not self._connected(store, name, host) and time.monotonic() < until:
            time.sleep(AGAIN_SECONDS)  # this was worker 0 of before, which a launcher has ended: another one will come

    def _connected(self, store: Any, name: int, host: str) -> bool:
        """Connect with worker 0; False where nobody listens."""
        port, self.word = json.loads(store.get(KEY))
        try:
            self._links[0] = link = socket.create_connection((host, port), CONNECT_SECONDS)
            notice_cuts(link)
            link.sendall(bytes.fromhex(self.word) + name.to_bytes(4, "big"))
        except OSError as error:
            return not isinstance(error, ConnectionRefusedError)
        return True

    def gone(self, name: int) -> bool:
        """Whether the process of a worker is known to have ended; of who never connected nothing is known."""
        self._accept()
        link = self._links.get(name)
        return link is not None and _has_ended(link)

    def _accept(self) -> None:
        """Take up who has connected since; the kernel has kept them waiting."""
        while self._server is not None:
            try:
                link, _ = self._server.accept()
            except OSError:  # nobody else is there
                return
            hello = b""
            link.settimeout(HELLO_SECONDS)
            with suppress(OSError):
                hello = link.recv(WORD_BYTES + 4, socket.MSG_WAITALL)
            if len(hello) == WORD_BYTES + 4 and hello[:WORD_BYTES].hex() == self.word:
                notice_cuts(link)
                self._links[int.from_bytes(hello[WORD_BYTES:], "big")] = link
            else:
                link.close()

    def close(self) -> None:
        """End the connections: to the others this process is gone."""
        for connection in [*self._links.values(), *filter(None, [self._server])]:
            connection.close()


def word_of(store: Any) -> str:
    """The word of the workers that use a store."""
    return str(json.loads(store.get(KEY))[1])


def _listening(host: str, workers: int) -> socket.socket:
    """Where the others connect: on this machine alone, or from wherever they are."""
    backlog = max(workers, 16)
    if host in LOCAL:
        server = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    elif socket.has_dualstack_ipv6():
        server = socket.create_server(("", 0), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True)
    else:
        server = socket.create_server(("", 0), backlog=backlog)
    server.setblocking(False)
    return server


def _has_ended(link: socket.socket) -> bool:
    link.setblocking(False)
    try:
        return not link.recv(1)  # nothing is ever sent: what can be read is the end
    except BlockingIOError:
        return False
    except OSError:  # such as a reset
        return True
