"""Arguments under the names that older versions of Keras gave them.

`classes` is empty until `handson.keras` fills it: without it an older name is an unknown one, and an error.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Container
from typing import Any, NamedTuple, TypeVar

from handson.core import console
from handson.core.errors import HandsonError, nearest

F = TypeVar("F", bound=Callable[..., Any])


class Spelling(NamedTuple):
    """What an older argument is now: its name, and what makes its value; several of one name make up a tuple.

    An argument that is gone has no name; its value is looked at, and may be refused.
    """

    name: str
    value: Callable[[Any], Any] | None = None


# For the name of a class, its older arguments.
classes: dict[str, dict[str, Spelling]] = {}
_said: set[str] = set()


def translated(cls: type, kwargs: dict[str, Any], accepted: Container[str]) -> dict[str, Any]:
    """The arguments of a class under today's names; those that it takes itself stay as they are.

    Parameters
    ----------
    cls : type
        The class, or a class of which an ancestor has older arguments.
    kwargs : dict
        The arguments, by name.
    accepted : container of str
        The arguments that the class takes.

    Examples
    --------
    >>> translated(int, {"base": 2}, ["base"])
    {'base': 2}
    """
    known: dict[str, Spelling] = {}
    for base in reversed(cls.__mro__):
        known |= classes.get(base.__name__, {})
    old = [name for name in known if name in kwargs and name not in accepted]
    changed = {name: value for name, value in kwargs.items() if name not in old}
    for name in old:
        spelling = known[name]
        if not spelling.name and spelling.value is not None:
            spelling.value(kwargs[name])
            continue
        check_once(name, spelling.name, kwargs)
        say_once(name, spelling.name)
        value = kwargs[name] if spelling.value is None else spelling.value(kwargs[name])
        parts = sum(known[other].name == spelling.name for other in old)
        changed[spelling.name] = (*changed.get(spelling.name, ()), value) if parts > 1 else value
    return changed


def check_once(old: str, new: str, given: Container[str]) -> None:
    """Raise where an argument is given under both of its names: one of them would be ignored.

    Examples
    --------
    >>> check_once("lr", "learning_rate", {"lr": 0.1, "learning_rate": 0.2})
    Traceback (most recent call last):
    handson.core.errors.HandsonError: 'lr' is another name of 'learning_rate', and both are given: leave one out.
    """
    if old in given and new in given:
        raise HandsonError(f"{old!r} is another name of {new!r}, and both are given: leave one out.")


def say_once(old: str, new: str) -> None:
    """Print, once in a process, what an older argument is called now."""
    if old not in _said:
        _said.add(old)
        console.say(f"`{old}` is `{new}` since Keras 2")


def accepting(**names: str) -> Callable[[F], F]:
    """A decorator for a function that names the nearest of its arguments for one that it does not take.

    It takes some arguments under older names too.

    Parameters
    ----------
    **names : str
        For each older name that of today.

    Examples
    --------
    >>> @accepting(nb_pages="num_pages")
    ... def count(num_pages=1):
    ...     return num_pages
    >>> count(nb_pages=3)
    `nb_pages` is `num_pages` since Keras 2
    3
    >>> count(num_page=3)
    Traceback (most recent call last):
    TypeError: count has no argument 'num_page'. Did you mean 'num_pages'? It takes: num_pages.
    """

    def decorate(function: F) -> F:
        taken = [name for name in inspect.signature(function).parameters if name != "self"]

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            for old in [name for name in names if name in kwargs]:
                check_once(old, names[old], kwargs)
                say_once(old, names[old])
                kwargs[names[old]] = kwargs.pop(old)
            unknown = next((name for name in kwargs if name not in taken), None)
            if unknown is not None:
                known = f"{nearest(unknown, taken)} It takes: {', '.join(taken)}."
                raise TypeError(f"{function.__name__} has no argument {unknown!r}.{known}")
            return function(*args, **kwargs)

        return called  # type: ignore[return-value]

    return decorate
