"""What a run was made of: enough to refuse to go on with something else, and to say what changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from handson.core import registry
from handson.core.described import describe_noun
from handson.core.errors import HandsonError
from handson.data.rows.scaling import Scaling
from handson.data.rows.stored import Data
from handson.data.rows.windows import windows_of
from handson.state.state import further_optimizers
from handson.training.recording.code_prints import of_code

if TYPE_CHECKING:
    from handson.optimizers import Optimizer
    from handson.training.preparation.net import Net
    from handson.training.preparation.readers import Reading

# Larger arrays are hashed at places spread over them.
WHOLE_BYTES, PIECES = 1 << 30, 1024


def of_tensor(tensor: Data) -> str:
    """A short hash of shape, type and content; of very large tensors, of parts of the content.

    Examples
    --------
    >>> import torch
    >>> of_tensor(torch.zeros(3)) == of_tensor(torch.zeros(3)), of_tensor(torch.zeros(3)) == of_tensor(torch.ones(3))
    (True, False)
    """
    digest = hashlib.blake2b(f"{tuple(tensor.shape)} {tensor.dtype}".encode(), digest_size=12)
    rows = max(1, len(tensor))
    size = tensor.numel() * tensor.element_size()
    step = 1 if size <= WHOLE_BYTES else max(1, rows // PIECES)
    width = max(1, size // rows)
    block = max(1, (1 << 20) // width) if step == 1 else 1
    for first in range(0, rows, step * block):
        digest.update(tensor[first : first + block].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def of_reading(reading: Reading | None) -> dict[str, Any] | None:
    """A description of what is read: of rows their content, of data that come in batches what a batch looks like."""
    if reading is None:
        return None
    rows = reading.rows
    if reading.opened is not None:
        leaves = [leaf for part in (rows.inputs, rows.targets) for leaf in part]
        return {"batches of": [f"{list(leaf.shape[1:])} {leaf.dtype}" for leaf in leaves]}
    found = {
        "rows": len(rows),
        "inputs": _of_leaves(rows.inputs),
        "targets": _of_leaves(rows.targets),
        "weights": _of_leaves(rows.weights),
    }
    windows = windows_of([*rows.inputs, *rows.targets])
    return found if windows is None or not windows.several else found | {"window": windows.window}


def _of_leaves(leaves: Sequence[Any]) -> Any:
    """The fingerprint of one leaf, or those of several."""
    found = [None if leaf is None else of_tensor(leaf) for leaf in leaves]
    return found[0] if len(found) == 1 else found


def of_run(
    model: Net,
    training: Reading,
    validation: Reading | None,
    settings: dict[str, Any],
    augment: Any = None,
    callbacks: Iterable[Any] = (),
) -> dict[str, Any]:
    """Everything that must be the same for a run to go on: net, compile, fit, callbacks, data, the user's own code."""
    return {
        "net": describe_net(model),
        "compile": describe_compile(model),
        "fit": settings,
        "data": {"training": of_reading(training), "validation": of_reading(validation)},
        **of_code(model, augment, callbacks),
    }


def describe_net(model: Net) -> Any:
    """The net as JSON: its configuration, or the printed form of modules that have none."""
    try:
        return registry.to_config("model", model)
    except HandsonError:
        return repr(model)


def describe_compile(model: Net) -> dict[str, Any]:
    """What `compile` was given, as JSON; without a precision at its default, which older records do not name."""
    described = {
        "optimizer": _describe_optimizer(model.optimizer),
        "loss": _described("loss", [term.loss for term in model.terms]),
        "metrics": [_describe_function("metric", metric) for metric in model.metrics],
        "scale_inputs": _describe_scaling(model.scale_inputs),
        "scale_targets": _describe_scaling(model.scale_targets),
    }
    further = further_optimizers(model, model.optimizer)
    described |= {name: _describe_optimizer(optimizer) for name, optimizer in further.items()}
    weights = [term.weight for term in model.terms]
    described |= {"loss_weights": weights} if any(weight != 1.0 for weight in weights) else {}
    return described | ({} if model.precision == "float32" else {"precision": model.precision})


def _describe_optimizer(optimizer: Optimizer) -> Any:
    """An optimizer with the learning rate it was made with: callbacks change it, and the checkpoint has it."""
    described, given = describe_noun("optimizer", optimizer), optimizer._arguments
    rate = given.get("learning_rate") if given.get("lr") is None else given["lr"]
    if optimizer.schedule is None and isinstance(rate, (int, float)) and isinstance(described, dict):
        described["config"]["learning_rate"] = float(rate)
    return described


def _describe_function(kind: str, noun: Any) -> Any:
    return describe_noun(kind, getattr(noun, "function", None) or noun)


def _described(kind: str, nouns: list[Any]) -> Any:
    found = [_describe_function(kind, noun) for noun in nouns]
    return found[0] if len(found) == 1 else found


def _describe_scaling(method: Any) -> Any:
    return method.get_config() if isinstance(method, Scaling) else method


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """What differs between two descriptions, one line each.

    Examples
    --------
    >>> differences({"fit": {"epochs": 3}}, {"fit": {"epochs": 4}})
    ['fit.epochs: 3 before, 4 now']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(key for key in now if key not in before)]
        return [
            line
            for key in keys
            for line in differences(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = enumerate(zip(before, now, strict=True))
        return [line for position, pair in pairs for line in differences(*pair, f"{path}[{position}]")]
    return [] if before == now else [f"{path}: {_short(before)} before, {_short(now)} now"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
