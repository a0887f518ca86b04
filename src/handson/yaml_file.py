"""YAML files that people write: read safely, with the line of everything that is wrong.

Numbers and booleans follow YAML 1.2: ``1e-3`` is a number, and ``no`` is a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from handson.errors import HandsonError

# An experiment is a page of text; these bounds keep a hostile file from taking memory or time.
MOST_BYTES, MOST_DEPTH = 1 << 20, 40


class _Loader(yaml.SafeLoader):
    """The safe loader with the scalars of YAML 1.2, without aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not used here", problem_mark=self.peek_event().start_mark
            )
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in entries if tag.rpartition(":")[2] not in ("bool", "float", "timestamp")]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf)|\.(?:nan|NaN))$"
    ),
    list("-+0123456789."),
)


class Document:
    """A YAML text with the line of every entry.

    Parameters
    ----------
    text : str
        The text.
    source : str
        What to call it in errors.

    Attributes
    ----------
    value : dict
        The content.

    Raises
    ------
    HandsonError
        When the text is no YAML mapping; the message names the line.

    Examples
    --------
    >>> document = Document("fit:\\n  epochs: 3\\n", "a.yaml")
    >>> document.value, document.line(["fit", "epochs"])
    ({'fit': {'epochs': 3}}, 2)
    """

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        if len(text.encode()) > MOST_BYTES:
            raise HandsonError(f"{source} is larger than {MOST_BYTES:,} bytes, which no experiment is.")
        try:
            self._node = yaml.compose(text, _Loader)
            _check_depth(self._node)
            _check_duplicates(self._node, source)
            self.value = yaml.load(text, _Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = f", line {mark.line + 1}" if mark else ""
            raise HandsonError(f"{source}{line}: {error.problem or error.context}.") from None
        except HandsonError:
            raise
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise HandsonError(f"{source} is not YAML that can be read: {str(error).splitlines()[0]}") from None
        if not isinstance(self.value, dict):
            raise HandsonError(f"{source} holds no experiment: expected 'name: value' lines.")

    def line(self, path: Sequence[Any], key: str | None = None) -> int:
        """The line of an entry, or of the deepest part of its path that is there; `key` is looked for below it."""
        node = self._node
        line = 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        deeper = None if key is None else _search(node, key)
        return line if deeper is None else deeper


def read(path: Path) -> Document:
    """The document in a file."""
    try:
        return Document(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise HandsonError(f"{path} is not text in UTF-8.") from None


def dump(value: dict[str, Any]) -> str:
    """A dictionary as YAML: keys in their order, short lists and mappings on one line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = repr(value)
    if text in ("inf", "-inf", "nan"):
        text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}[text]
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(float, _represent_float)


def _child(node: Any, step: Any) -> tuple[Any, Any] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _search(node: Any, key: str) -> int | None:
    """The line of the first key of this name at or below a node."""
    for child in _pairs(node):
        if isinstance(child[0], yaml.ScalarNode) and child[0].value == key:
            return int(child[0].start_mark.line + 1)
        deeper = _search(child[1], key)
        if deeper is not None:
            return deeper
    return None


def _pairs(node: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(node, yaml.MappingNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [(None, entry) for entry in node.value]
    return []


def _check_depth(node: Any, depth: int = 0) -> None:
    if depth > MOST_DEPTH:
        raise yaml.MarkedYAMLError(problem="entries are nested too deeply", problem_mark=node.start_mark)
    for key, value in _pairs(node):
        for part in (key, value):
            if part is not None:
                _check_depth(part, depth + 1)


def _check_duplicates(node: Any, source: str) -> None:
    seen: set[str] = set()
    for key, value in _pairs(node):
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise HandsonError(f"{source}, line {key.start_mark.line + 1}: the key {key.value!r} is there twice.")
            seen.add(key.value)
        _check_duplicates(value, source)
