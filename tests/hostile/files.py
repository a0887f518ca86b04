"""Files of handson, taken apart and put together again with something else in them."""

import json
import os
import struct

import numpy as np

from handson import Sequential
from handson.layers import Dense


class Payload:
    """A pickle that writes a file when it is opened."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def header(content):
    """The header of a safetensors file as a dictionary, and the bytes after it."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def assemble(head, rest=b""):
    """A safetensors file of a header, as text or as a dictionary, and bytes."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + rest


def trained():
    """A net 2-3-1 that was trained for a step."""
    net = Sequential(
        [Dense(3, activation="relu", name="first", input_dim=2), Dense(1, name="last")], name="net", seed=0
    )
    net.compile("adam", "mse", metrics=["mae"], scale_inputs="standard")
    net.fit(np.ones((4, 2), np.float32), np.ones(4, np.float32), epochs=1, verbose=0)
    return net


def put(path, value):
    """A change of a description: another value at a path."""

    def change(description):
        place = description
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change
