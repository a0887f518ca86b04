"""Objects of Keras beside ours, made with the same arguments, and what theirs have that ours have not."""

import inspect

import keras as original
import keras_tree
import layer_cases
import torch

from handson import keras as mirrored

OFTEN = {"initial_learning_rate": 0.1, "decay_steps": 3, "first_decay_steps": 3, "decay_rate": 0.5}
# Arguments of those that are not made without.
ARGUMENTS = {
    "boundaries": [1], "values": [0.1, 0.2], "num_classes": 2, "target_class_ids": [0], "fn": lambda a, b: a - b,
    "recall": 0.5, "precision": 0.5, "sensitivity": 0.5, "specificity": 0.5, "normalizer": [1.0], "filename": "a.csv",
    "filepath": "a.keras", "backup_dir": "a", "schedule": lambda epoch: 0.1, "initializer": [1.0], "shape": (2, 3),
    "name": "float32", "units": 2,
} | OFTEN  # fmt: skip
# What cannot be made, or is not a thing: `optimizers.legacy` raises in Keras.
LEFT_OUT = (
    "CallbackList",
    "Optimizer",
    "legacy",
    "tree",
    "CustomObjectScope",
    "custom_object_scope",
    "BackupAndRestore",
)
FROM_TORCH = set(dir(torch.nn.Module))


def made():
    """Pairs of objects by the place of their class."""
    found = {}
    for case in layer_cases.CASES:
        if case.peer == "" and f"layers.{case.name}" not in found:
            found[f"layers.{case.name}"] = case.keras(original), case.built()
    for place, kind in keras_tree.public().items():
        ours = keras_tree.ours(place)
        if isinstance(kind, type) and isinstance(ours, type) and not place.startswith("layers."):
            pair = _pair(place, kind, ours)
            if pair is not None and type(pair[0]) not in {type(other) for other, _ in found.values()}:
                found[place] = pair
    for name in ("SimpleRNNCell", "LSTMCell", "GRUCell"):
        found[f"layers.{name}"] = tuple(getattr(of.layers, name)(2) for of in (original, mirrored))
    found["Sequential"] = tuple(map(_net, (original, mirrored)))
    found["Model"] = tuple(of.Model(x := of.Input((3,)), of.layers.Dense(2)(x)) for of in (original, mirrored))
    return found


def _pair(place, kind, ours):
    if any(part in LEFT_OUT for part in place.split(".")):
        return None
    needed = [name for name, each in (keras_tree.parameters(kind) or {}).items() if each.default is each.empty]
    if not set(needed) <= ARGUMENTS.keys():
        return None
    given = {name: ARGUMENTS[name] for name in needed}
    return kind(**given), ours(**given)


def _net(of):
    net = of.Sequential([of.Input((3,)), of.layers.Dense(2)])
    net.compile("adam", "mse")
    return net


def lacking(theirs, ours):
    """The public attributes and methods of an object of Keras that ours has not."""
    names = {name for name in dir(theirs) if not name.startswith("_")} - FROM_TORCH
    return {name for name in names if _has(theirs, name) and not _has(ours, name)}


def _has(target, name):
    try:
        return hasattr(target, name)
    except Exception:  # a property that raises is there
        return True


def methods(theirs, ours):
    """The names of methods that both have, each with the two functions."""
    for name in dir(theirs):
        if name.startswith("_") or name in FROM_TORCH - {"train"}:
            continue
        pair = [_function(inspect.getattr_static(kind, name, None)) for kind in (theirs, ours)]
        if all(map(inspect.isfunction, pair)):
            yield name, *pair


def _function(value):
    return value.__func__ if isinstance(value, (classmethod, staticmethod)) else value


def differing(theirs, ours):
    """The arguments of a method of Keras that ours does not take, or takes at another place."""
    wanted, have = (inspect.signature(function).parameters for function in (theirs, ours))
    if any(each.kind is each.VAR_KEYWORD for each in have.values()):
        return set()
    named = [name for name, each in wanted.items() if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    placed, placed_here = (
        [name for name, each in found.items() if each.kind is each.POSITIONAL_OR_KEYWORD] for found in (wanted, have)
    )
    moved = {
        name for name in placed if name in placed_here and placed.index(name) != placed_here.index(name)
    }  # fmt: skip
    return (set(named) - set(have)) | moved
