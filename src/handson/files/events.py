"""TensorBoard's event files, written without TensorFlow: records with checksums, in each a message of protobuf.

The formats are those of TensorFlow's `record_writer.cc`, `event.proto`, `summary.proto` and `graph.proto`; a test reads
the files with TensorBoard's own reader.
"""

from __future__ import annotations

import io
import itertools
import os
import socket
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handson.files import atomic

_numbers = itertools.count()
_STRINGS = 7  # the type of strings in a TensorProto
_SUCCESS = 1  # the status of a run that came to its end, of the HParams plugin


class GraphNode(NamedTuple):
    """A node of a graph as TensorBoard draws it.

    Attributes
    ----------
    name, operation : str
        What it is called, and what it does.
    before : list of str
        The names of the nodes that it takes its inputs from.
    shapes : list of tuple
        Of each of its outputs; None is a size that is not known.
    attributes : dict
        Whatever else there is to know.
    """

    name: str
    operation: str
    before: Sequence[str] = ()
    shapes: Sequence[Sequence[int | None]] = ()
    attributes: Mapping[str, Any] = {}


def _checksums() -> list[int]:
    """The table of CRC-32C (Castagnoli), byte by byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0x82F63B78 if byte & 1 else byte >> 1
        table.append(byte)
    return table


_TABLE = _checksums()


def masked_crc(data: bytes) -> int:
    """The checksum of a record: CRC-32C, rotated and shifted so that it can be part of what is checked.

    Examples
    --------
    >>> masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF
    True
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _whole(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
        return _varint(field << 3 | 5) + np.asarray(value, "<f4").tobytes()


def _bytes(field: int, value: bytes | str) -> bytes:
    """A text, a message or a packed list of numbers."""
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _doubles(field: int, values: Iterable[float]) -> bytes:
    return _bytes(field, np.asarray(list(values), "<f8").tobytes())


class EventFile:
    """An event file in a folder, to which one process writes.

    Parameters
    ----------
    folder : str or path
        The folder of a run; it is made if it is not there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = EventFile(folder)
    ...     file.scalar("loss", 0.5, step=1)
    ...     file.close()
    ...     len(list(Path(folder).glob("events.out.tfevents.*")))
    1
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        place = Path(folder)
        atomic.check_unlinked(place)
        place.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._file = (place / name).open("xb")
        self._write(_bytes(3, "brain.Event:2"))

    def scalar(self, tag: str, value: float, step: int) -> None:
        """A number."""
        self._summary(step, _bytes(1, tag) + _float(2, value))

    def histogram(self, tag: str, values: Any, step: int, bins: int = 64) -> None:
        """The distribution of an array's finite values."""
        given = np.asarray(values, np.float64).reshape(-1)
        given = given[np.isfinite(given)]
        if not given.size:
            return
        counts, edges = np.histogram(given, bins)
        parts = [_double(1, given.min()), _double(2, given.max()), _double(3, given.size), _double(4, given.sum())]
        parts += [_double(5, np.square(given).sum()), _doubles(6, edges[1:]), _doubles(7, counts)]
        self._summary(step, _bytes(1, tag) + _bytes(5, b"".join(parts)))

    def image(self, tag: str, pixels: np.ndarray, step: int) -> None:
        """A picture: uint8, shape (height, width, 1 or 3)."""
        from PIL import Image

        height, width, channels = pixels.shape
        file = io.BytesIO()
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(file, "PNG")
        parts = [_whole(1, height), _whole(2, width), _whole(3, channels), _bytes(4, file.getvalue())]
        self._summary(step, _bytes(1, tag) + _bytes(4, b"".join(parts)))

    def text(self, tag: str, text: str, step: int = 0) -> None:
        """A text, in Markdown."""
        tensor = _whole(1, _STRINGS) + _bytes(2, _shape([1])) + _bytes(8, text)
        self._summary(step, _bytes(1, tag) + _bytes(8, tensor) + _bytes(9, _bytes(1, _bytes(1, "text"))))

    def graph(self, nodes: Sequence[GraphNode]) -> None:
        """The net: TensorBoard draws its nodes, writes the shapes at the arrows and shows attributes on a click."""
        self._write(_bytes(4, b"".join(_bytes(1, _node(node)) for node in nodes)))

    def hyperparameters(self, values: Mapping[str, Any]) -> None:
        """What a run was given, for TensorBoard's table of runs."""
        entries = b"".join(_bytes(1, _bytes(1, name) + _bytes(2, _value(given))) for name, given in values.items())
        self._session("session_start_info", _bytes(3, entries + _double(5, time.time())))

    def finished(self) -> None:
        """The run of `hyperparameters` came to its end."""
        self._session("session_end_info", _bytes(4, _whole(1, _SUCCESS) + _double(2, time.time())))

    def _session(self, name: str, message: bytes) -> None:
        plugin = _bytes(1, "hparams") + _bytes(2, message)
        self._summary(0, _bytes(1, f"_hparams_/{name}") + _bytes(9, _bytes(1, plugin)))

    def _summary(self, step: int, value: bytes) -> None:
        self._write(_whole(2, step) + _bytes(5, _bytes(1, value)))

    def _write(self, event: bytes) -> None:
        data = _double(1, time.time()) + event
        length = struct.pack("<Q", len(data))
        checks = [struct.pack("<I", masked_crc(part)) for part in (length, data)]
        self._file.write(length + checks[0] + data + checks[1])

    def flush(self) -> None:
        """Let readers see what was written."""
        self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _node(node: GraphNode) -> bytes:
    """A `NodeDef`."""
    parts = [_bytes(1, node.name), _bytes(2, node.operation), *(_bytes(3, name) for name in node.before)]
    attributes = {name: _bytes(2, str(value)) for name, value in node.attributes.items()}
    attributes["_output_shapes"] = _bytes(1, b"".join(_bytes(7, _shape(shape)) for shape in node.shapes))
    return b"".join([*parts, *(_bytes(5, _bytes(1, name) + _bytes(2, value)) for name, value in attributes.items())])


def _shape(shape: Iterable[int | None]) -> bytes:
    """A `TensorShapeProto`."""
    return b"".join(_bytes(2, _whole(1, -1 if size is None else size)) for size in shape)


def _value(given: Any) -> bytes:
    """A `google.protobuf.Value`."""
    if isinstance(given, bool):
        return _whole(4, given)
    if isinstance(given, (int, float)):
        return _double(2, given)
    return _bytes(3, str(given))
