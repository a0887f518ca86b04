"""YAML files that people write: read safely, with the line of everything that is wrong.

Numbers and booleans follow YAML 1.2: ``1e-3`` is a number, and ``no`` is a word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from handson.core import regular
from handson.core.errors import HandsonError, shortened

# An experiment is a page of text; these bounds keep a hostile file from taking memory or time.
MOST_BYTES, MOST_ENTRIES, MOST_DEPTH = 1 << 16, 5000, 40
# Characters of a whole number: all that fit into 64 bits are shorter.
LONGEST_NUMBER = 30
# Words of a message that are looked for.
MOST_WORDS = 20


# The scalars of YAML 1.2's core schema: tag, pattern, and the characters that it may begin with.
SCALARS = [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
]


class _Loader(yaml.SafeLoader):
    """The safe loader with the scalars of YAML 1.2, without aliases, to a limited depth."""

    depth = entries = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not used here", problem_mark=mark)
        if self.depth > MOST_DEPTH:
            raise yaml.MarkedYAMLError(problem="entries are nested too deeply", problem_mark=mark)
        if self.entries == MOST_ENTRIES:
            problem = f"there are more than {MOST_ENTRIES:,} entries, the most that are read"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        self.entries += 1
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_int(self, node: Any) -> int:
        text = self.construct_scalar(node)
        if len(text) <= LONGEST_NUMBER:
            value = int(text, 0) if text.startswith(("0o", "0x")) else int(text)
            if abs(value) < 1 << 63:
                return value
        raise self._too_large(node)

    def construct_float(self, node: Any) -> float:
        text = self.construct_scalar(node)
        value = float(text.replace(".", "", 1) if text.lower().lstrip("+-") in (".inf", ".nan") else text)
        if math.isinf(value) and "inf" not in text.lower():
            raise self._too_large(node)
        return value

    def _too_large(self, node: Any) -> yaml.MarkedYAMLError:
        problem = f"the number {shortened(node.value, 40)} is too large"
        return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


class _Dumper(yaml.SafeDumper):
    """The safe dumper with the scalars of YAML 1.2, without aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_number(self, value: float) -> yaml.ScalarNode:
        text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
        return self.represent_scalar("tag:yaml.org,2002:float", text)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_float)
_Dumper.add_representer(float, _Dumper.represent_number)
for _owner in (_Loader, _Dumper):
    _owner.yaml_implicit_resolvers = {}
    for _tag, _pattern, _first in SCALARS:
        _owner.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


class Document:
    """A YAML text with the line of every entry.

    Parameters
    ----------
    text : str
        The text.
    source : str
        Its name in errors.

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
            raise HandsonError(f"{source} is larger than {MOST_BYTES:,} bytes, the most that are read.")
        if text.count("[") + text.count("{") > MOST_ENTRIES:
            raise HandsonError(f"{source} has more than {MOST_ENTRIES:,} brackets, the most that are read.")
        try:
            loader = _Loader(text)
            self._node = loader.get_single_node()
            _check_duplicates(self._node, source)
            self.value = loader.construct_document(self._node) if self._node else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = f", line {mark.line + 1}" if mark else ""
            raise HandsonError(f"{source}{line}: {shortened(error.problem or error.context)}.") from None
        except HandsonError:
            raise
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            reason = shortened((str(error).splitlines() or [type(error).__name__])[0])
            raise HandsonError(f"{source} is not YAML that can be read: {reason}") from None
        if not isinstance(self.value, dict):
            raise HandsonError(f"{source} holds no experiment: expected 'name: value' lines.")

    def line(self, path: Sequence[Any], message: str | None = None) -> int:
        """The line of an entry, or of the deepest part of its path that is there.

        Parameters
        ----------
        path : list of str and int
            The keys and positions that lead to the entry.
        message : str, optional
            What is said of the entry: the line is that of the first quoted word that stands in the entry, or else
            of the last line with any of its words.
        """
        node, line = self._node, 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        places = _places(node, re.findall(r"'([^']+)'", message or "")[:MOST_WORDS])[:1]
        return max(places or _places(node, re.findall(r"\w+", message or "")[:MOST_WORDS]), default=line)


def read(path: Path) -> Document:
    """The document in a file."""
    try:
        return Document(regular.read_bytes(path, MOST_BYTES).decode("utf-8-sig"), str(path))
    except UnicodeDecodeError:
        raise HandsonError(f"{path} is not text in UTF-8.") from None
    except IsADirectoryError:
        raise HandsonError(f"{path} is a folder; expected a YAML file.") from None


def dump(value: dict[str, Any]) -> str:
    """A dictionary as YAML: keys in their order, short lists and mappings on one line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)


def _child(node: Any, step: Any) -> tuple[Any, Any] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _places(node: Any, words: list[str]) -> list[int]:
    """The lines of those words that are keys or values at or below a node."""
    return [line for word in words if (line := _search(node, word)) is not None]


def _search(node: Any, word: str) -> int | None:
    """The line of the first key or value that is this word, at or below a node."""
    if isinstance(node, yaml.ScalarNode):
        return int(node.start_mark.line + 1) if node.value == word else None
    parts = (part for pair in _pairs(node) for part in pair)
    return next((line for part in parts if (line := _search(part, word)) is not None), None)


def _pairs(node: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(node, yaml.MappingNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [(None, entry) for entry in node.value]
    return []


def _check_duplicates(node: Any, source: str) -> None:
    seen: set[str] = set()
    for key, value in _pairs(node):
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                name = shortened(repr(key.value), 100)
                raise HandsonError(f"{source}, line {key.start_mark.line + 1}: the key {name} is there twice.")
            seen.add(key.value)
        _check_duplicates(value, source)
