"""Trees of lists, tuples and dictionaries, by the rules of `keras.tree`.

Unlike in `handson.core.tree`, the entries of a dictionary come in the order of their sorted keys.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from handson.core.errors import HandsonError
from handson.keras.mirror import mirror

mirror(__name__)


class _MapToNone:
    def __repr__(self) -> str:
        return "MAP_TO_NONE"


# What a function of `traverse` returns to have None in the place of a branch.
MAP_TO_NONE = _MapToNone()


def is_nested(structure: Any) -> bool:
    """Whether something is a list, a tuple or a dictionary.

    Examples
    --------
    >>> is_nested([1]), is_nested("text")
    (True, False)
    """
    return isinstance(structure, (list, tuple, dict))


def _branches(structure: Any) -> list[tuple[Any, Any]]:
    """The keys and branches of a node, in order."""
    if not isinstance(structure, dict):
        return list(enumerate(structure))
    keys = list(structure)
    if not isinstance(structure, OrderedDict):
        try:
            keys = sorted(keys)
        except TypeError:
            keys = sorted(keys, key=lambda key: (type(key).__name__, str(key)))
    return [(key, structure[key]) for key in keys]


def _like(structure: Any, branches: list[Any]) -> Any:
    """A node of the same form with other branches, which come in order."""
    if isinstance(structure, dict):
        changed = dict(zip((key for key, _ in _branches(structure)), branches, strict=True))
        ordered = {key: changed[key] for key in structure}
        return type(structure)(ordered) if type(structure) in (dict, OrderedDict) else ordered
    return type(structure)(*branches) if hasattr(structure, "_fields") else type(structure)(branches)


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves, each with the keys and positions that lead to it.

    Examples
    --------
    >>> flatten_with_path({"b": [1, 2], "a": 3})
    [(('a',), 3), (('b', 0), 1), (('b', 1), 2)]
    """
    return list(_leaves(structure, ()))


def _leaves(structure: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if not is_nested(structure):
        yield path, structure
        return
    names = getattr(structure, "_fields", None)
    for key, branch in _branches(structure):
        yield from _leaves(branch, (*path, names[key] if names else key))


def flatten(structure: Any) -> list[Any]:
    """The leaves of a tree, those of a dictionary in the order of its sorted keys.

    Examples
    --------
    >>> flatten({"b": [1, 2], "a": 3})
    [3, 1, 2]
    """
    return [leaf for _, leaf in flatten_with_path(structure)]


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """A tree of what a function gives for the leaves of trees of one form.

    Parameters
    ----------
    func : callable
        A function of as many leaves as there are trees.
    *structures : tree
        The trees.
    none_is_leaf : bool
        False: None stays None, and the function is not asked.

    Examples
    --------
    >>> map_structure(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]})
    {'x': 11, 'y': [22]}
    """
    if not structures:
        raise HandsonError("map_structure needs at least one tree.")
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    return _mapped(func, structures, none_is_leaf)


def _mapped(func: Callable[..., Any], structures: tuple[Any, ...], none_is_leaf: bool) -> Any:
    first = structures[0]
    if not is_nested(first):
        return None if first is None and not none_is_leaf else func(*structures)
    columns = [[branch for _, branch in _branches(structure)] for structure in structures]
    return _like(first, [_mapped(func, leaves, none_is_leaf) for leaves in zip(*columns, strict=True)])


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """A tree of the form of a shallow one; the function is given the branches that lie in place of its leaves.

    Examples
    --------
    >>> map_structure_up_to({"x": None, "y": None}, len, {"x": [1, 2], "y": [3]})
    {'x': 2, 'y': 1}
    """
    if not is_nested(shallow_structure):
        return func(*structures)
    keys = [key for key, _ in _branches(shallow_structure)]
    for structure in structures:
        if not is_nested(structure) or [key for key, _ in _branches(structure)] != keys:
            raise HandsonError(f"a tree has the branches {keys} of the shallow one; got {structure!r}.")
    parts = [dict(_branches(structure)) for structure in structures]
    shallow = _branches(shallow_structure)
    branches = [map_structure_up_to(branch, func, *(part[key] for part in parts)) for key, branch in shallow]
    return _like(shallow_structure, branches)


def map_shape_structure(func: Callable[..., Any], structure: Any) -> Any:
    """A tree of what a function gives for shapes, tuples or lists of whole numbers and None, which are leaves here.

    Examples
    --------
    >>> map_shape_structure(len, {"x": (None, 3), "y": (1, 2, 3)})
    {'x': 2, 'y': 3}
    """
    if isinstance(structure, (list, tuple)) and all(size is None or isinstance(size, int) for size in structure):
        return func(tuple(structure))
    if not is_nested(structure):
        raise HandsonError(f"expected shapes, such as (None, 3), in lists, tuples or dictionaries; got {structure!r}.")
    return _like(structure, [map_shape_structure(func, branch) for _, branch in _branches(structure)])


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """A tree in which a function has changed nodes and leaves; where it gives None they stay, and are gone into.

    Parameters
    ----------
    func : callable
        A function of a node or leaf; `MAP_TO_NONE` stands for None.
    structure : tree
        The tree.
    top_down : bool
        Whether nodes come before their branches.

    Examples
    --------
    >>> traverse(lambda x: sum(x) if isinstance(x, list) else None, {"a": [1, 2], "b": 5})
    {'a': 3, 'b': 5}
    """
    found = _traversed(func, structure, top_down)
    return None if found is MAP_TO_NONE else found


def _traversed(func: Callable[[Any], Any], structure: Any, top_down: bool) -> Any:
    if top_down and (changed := func(structure)) is not None:
        return changed
    if is_nested(structure):
        branches = [traverse(func, branch, top_down) for _, branch in _branches(structure)]
        structure = _like(structure, branches)
    if not top_down and (changed := func(structure)) is not None:
        return changed
    return structure


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """A tree of a form with these leaves, in the order of `flatten`.

    Examples
    --------
    >>> pack_sequence_as({"b": [0, 0], "a": 0}, [3, 1, 2])
    {'b': [1, 2], 'a': 3}
    """
    leaves, count = list(flat_sequence), len(flatten(structure))
    if len(leaves) != count:
        raise HandsonError(f"the tree has {count} leaves; got {len(leaves)}.")
    rest = iter(leaves)
    return _mapped(lambda _: next(rest), (structure,), True)


def lists_to_tuples(structure: Any) -> Any:
    """A tree with tuples in place of its lists.

    Examples
    --------
    >>> lists_to_tuples([1, {"a": [2]}])
    (1, {'a': (2,)})
    """
    if not is_nested(structure):
        return structure
    branches = [lists_to_tuples(branch) for _, branch in _branches(structure)]
    return tuple(branches) if type(structure) is list else _like(structure, branches)


def assert_same_structure(a: Any, b: Any, check_types: bool = True) -> None:
    """Raise unless two trees have one form.

    Examples
    --------
    >>> assert_same_structure([1, 2], [3])
    Traceback (most recent call last):
    handson.core.errors.HandsonError: the trees differ in form: [1, 2] has the branches [0, 1], [3] has [0].
    """
    if is_nested(a) != is_nested(b):
        raise HandsonError(f"the trees differ in form: {a!r} and {b!r}.")
    if not is_nested(a):
        return
    if isinstance(a, dict) != isinstance(b, dict) or (check_types and not _alike(a, b)):
        raise HandsonError(f"the trees differ in type: {type(a).__name__} and {type(b).__name__}.")
    first, second = ([key for key, _ in _branches(tree)] for tree in (a, b))
    if first != second:
        raise HandsonError(f"the trees differ in form: {a!r} has the branches {first}, {b!r} has {second}.")
    for (_, left), (_, right) in zip(_branches(a), _branches(b), strict=True):
        assert_same_structure(left, right, check_types)


def _alike(a: Any, b: Any) -> bool:
    return type(a) is type(b) or (isinstance(a, dict) and isinstance(b, dict))


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise unless two trees have the same paths to their leaves, whatever the types of their nodes.

    Examples
    --------
    >>> assert_same_paths([1, 2], (3, 4))
    """
    first, second = ({path for path, _ in flatten_with_path(tree)} for tree in (a, b))
    if first != second:
        raise HandsonError(f"the trees differ in paths: {sorted(map(str, first ^ second))} are in one of them only.")
