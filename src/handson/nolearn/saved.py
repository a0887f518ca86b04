"""Files of parameters: arrays by the names of layers, and nothing else."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from handson.core.errors import HandsonError
from handson.files.atomic import write_bytes


def write_weights(path: Any, values: dict[str, list[Any]]) -> None:
    """Write the parameters of layers: 'conv1.0', 'conv1.1' and so on."""
    arrays = {f"{name}.{number}": value for name, own in values.items() for number, value in enumerate(own)}
    write_bytes(path, [save({name: np.ascontiguousarray(array) for name, array in arrays.items()})])


def read_weights(path: Any) -> OrderedDict[str, list[Any]]:
    """Read what `write_weights` wrote.

    Raises
    ------
    HandsonError
        When it is another file, such as a pickle, which could run code.
    """
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError) as error:
        raise HandsonError(
            f"{path} is no file of save_params_to: {error}. Parameters are safetensors, not pickles, which may run "
            f"code; a net that was pickled is loaded by pickle.load."
        ) from error
    found: OrderedDict[str, list[Any]] = OrderedDict()
    for name in sorted(arrays, key=lambda one: (one.rpartition(".")[0], int(one.rpartition(".")[2]))):
        found.setdefault(name.rpartition(".")[0], []).append(arrays[name])
    return found
