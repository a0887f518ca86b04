"""Writes docs/keras_names.md: `python tests/helpers/keras_names_page.py`."""

import os
import sys
from pathlib import Path
from types import ModuleType

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras as original
import keras_tree

from handson.keras import missing

PAGE = Path(__file__).resolve().parents[2] / "docs" / "keras_names.md"
HEAD = """# The names of Keras

Every public name of Keras {version}, by module: {here} are here, under `handson.keras`, {refused} are not, each
with what to use in its place. What differs though it is here stands in [keras.md](keras.md).

A test walks Keras's own tree and finds each name on this page, which `python tests/helpers/keras_names_page.py` writes.
"""
MEMBERS = """
## Attributes and methods

Objects have what those of Keras have, with the same arguments, but for:

"""


def modules(places):
    """The names of each module, without those that are modules."""
    found = {}
    for place, value in places.items():
        if not isinstance(value, ModuleType):
            module, _, name = place.rpartition(".")
            found.setdefault(module, []).append(name)
    return found


def refusals(module, names):
    """Lines that say of names which are not here what to use: one line for each reason."""
    reasons = {}
    for name in names:
        reasons.setdefault(missing.reason(f"{module}.{name}".removeprefix(".")), []).append(name)
    return [f"- {', '.join(f'`{name}`' for name in held)}: {why or 'not yet'}" for why, held in sorted(reasons.items())]


def page():
    """The text of the page."""
    places = keras_tree.public()
    states = {place: keras_tree.state(place) for place, value in places.items() if not isinstance(value, ModuleType)}
    here = sum(state == "here" for state in states.values())
    text = HEAD.format(version=original.__version__, here=here, refused=len(states) - here)
    for module, names in sorted(modules(places).items()):
        inside = {name: states[f"{module}.{name}".removeprefix(".")] == "here" for name in names}
        text += f"\n## keras{'.' if module else ''}{module}\n\n"
        if any(inside.values()):
            text += f"Here: {', '.join(f'`{name}`' for name in names if inside[name])}\n"
        if not all(inside.values()):
            lines = refusals(module, [name for name in names if not inside[name]])
            text += "\nNot here:\n\n" * any(inside.values()) + "\n".join(lines) + "\n"
    return text + members()


def members():
    """The attributes and methods of Keras's objects that ours have not, each with what to use."""
    reasons = {}
    for name, why in sorted(missing.MEMBERS.items()):
        reasons.setdefault(why, []).append(f"`{name}`")
    lines = [f"- {', '.join(names)}: {why}" for why, names in sorted(reasons.items())]
    return MEMBERS + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
