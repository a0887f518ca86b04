"""Trees: values in lists, tuples and dictionaries, as users pass several inputs, targets or outputs.

A tree is flattened once, where it enters; inside, everything is a flat list of leaves. What is neither a list, a tuple
nor a dictionary is a leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Tree = Any
# A tree of the same form that holds the position of each leaf.
Spec = Any


def leaves(tree: Tree) -> list[Any]:
    """The leaves of a tree, in order; entries of dictionaries in the order of their keys.

    Examples
    --------
    >>> leaves({"b": [1, 2], "a": 3})
    [1, 2, 3]
    """
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in leaves(branch)]
    if isinstance(tree, (list, tuple)):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [tree]


def map_leaves(function: Callable[[Any], Any], tree: Tree) -> Tree:
    """A tree of the same form with a function applied to each leaf.

    Examples
    --------
    >>> map_leaves(lambda leaf: leaf + 1, (1, {"a": 2}))
    (2, {'a': 3})
    """
    if isinstance(tree, dict):
        return {key: map_leaves(function, branch) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        return _like(tree, [map_leaves(function, branch) for branch in tree])
    return function(tree)


def _like(tree: Any, branches: list[Any]) -> Any:
    return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)


def spec(tree: Tree) -> Spec:
    """The form of a tree: each leaf replaced by its position.

    Examples
    --------
    >>> spec({"b": ["x", "y"], "a": "z"})
    {'b': [0, 1], 'a': 2}
    """
    positions = iter(range(len(leaves(tree))))
    return map_leaves(lambda leaf: next(positions), tree)


def rebuild(form: Spec, flat: Sequence[Any]) -> Tree:
    """The tree of a form with these leaves.

    Examples
    --------
    >>> rebuild({"b": [0, 1], "a": 2}, "xyz")
    {'b': ['x', 'y'], 'a': 'z'}
    """
    return map_leaves(lambda position: flat[position], form)


def paths(tree: Tree) -> list[str]:
    """The name of each leaf: its keys and positions, joined by dots; '' for a tree that is one leaf.

    Examples
    --------
    >>> paths({"outputs": {"age": 1, "mass": 2}}), paths([1, 2]), paths(1)
    (['outputs.age', 'outputs.mass'], ['0', '1'], [''])
    """
    return [".".join(steps) for steps in _steps(tree)]


def _steps(tree: Tree) -> Iterator[tuple[str, ...]]:
    branches = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, (list, tuple)) else None
    if branches is None:
        yield ()
        return
    for key, branch in branches:
        for steps in _steps(branch):
            yield (str(key), *steps)
