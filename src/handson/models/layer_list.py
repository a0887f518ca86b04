"""The list of a net's layers, which says how the net is changed to those who change the list."""

from __future__ import annotations

from typing import Any, NoReturn

from handson.core.errors import HandsonError


class LayerList(list[Any]):
    """The layers of a net, in order: a list to read. What is taken out of it, or put into it, is not so in the net.

    Examples
    --------
    >>> LayerList([1, 2])[:1] + [3]
    [1, 3]
    >>> LayerList([1, 2]).pop()
    Traceback (most recent call last):
        ...
    handson.core.errors.HandsonError: net.layers is a list of what is in the net, and changing it changes no net: ...
    """

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise HandsonError(
            "net.layers is a list of what is in the net, and changing it changes no net: net.pop() takes the last "
            "layer off a Sequential, net.add(layer) puts one on top, and Sequential([*net.layers[:-1], layer]) is "
            "another net. A list of your own: list(net.layers)."
        )

    append = extend = insert = pop = remove = clear = reverse = sort = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are plain lists."""
        return list, (list(self),)
