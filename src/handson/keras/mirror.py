"""How a module of Keras is mirrored: its names are looked up when they are first used.

Most modules are a file here that says where its names live. Other spellings of modules, and modules of which nothing
is here, have no file: the finder below makes them. It also says, where ``from handson.keras.layers import Dens`` fails,
what was meant, which Python leaves out.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from handson.core.errors import nearest
from handson.keras.missing import reason
from handson.keras.modules import MODULES

ROOT = "handson.keras"
NOTHING = object()


class Face:
    """What a mirrored module has.

    Parameters
    ----------
    package : str
        The module's ``__name__``.
    homes : tuple of str
        Modules whose public names it has. One that does not exist has none.
    names : dict of str to str
        Further names, each with its home: 'module:attribute', or 'module' for a module itself.
    """

    def __init__(self, package: str, homes: Sequence[str], names: dict[str, str]) -> None:
        self.package, self.homes, self.names = package, homes, names
        # Not kept in the module itself, whose functions may use Python's own `max` and `sum`.
        self.found: dict[str, Any] = {}
        self.place = package.removeprefix(ROOT).removeprefix(".")

    def inner(self, name: str) -> str:
        """The place of a name in Keras's tree, such as 'layers.Dense'."""
        return f"{self.place}.{name}".removeprefix(".")

    def children(self) -> list[str]:
        """The modules in this one that have no file."""
        places = (place.rpartition(".") for place in MODULES)
        return [name for parent, _, name in places if parent == self.place]

    def find(self, name: str) -> Any:
        """The object of a name, `NOTHING` if there is none."""
        if name in self.names:  # before modules: `layers.merge` is a function of Keras 1
            module, _, attribute = self.names[name].partition(":")
            home = imported(module)
            return NOTHING if home is None else getattr(home, attribute, NOTHING) if attribute else home
        if self.inner(name) in MODULES:
            return importlib.import_module(f"{self.package}.{name}")
        for home in map(imported, self.homes):
            if home is not None and name in public(home):
                return getattr(home, name)
        return NOTHING

    def refusal(self, name: str) -> str:
        """What there is to say of a name that is not here."""
        if name.startswith("__"):
            return f"{self.package} has no {name!r}."
        places = [self.inner(name), *(f"{home.removeprefix(ROOT)}.{name}".lstrip(".") for home in self.homes)]
        why = next(filter(None, map(reason, places)), "")
        return f"{self.package} has no {name!r}{f': {why}.' if why else f'.{nearest(name, self.all())}'}"

    def all(self) -> list[str]:
        """All public names."""
        found = {*self.children(), *(name for home in self.homes for name in public(imported(home)))}
        found |= {name for name in self.names if not name.startswith("_") and self.find(name) is not NOTHING}
        return sorted(found | defined(sys.modules[self.package]))

    def get(self, name: str) -> Any:
        """The module's ``__getattr__``."""
        if name == "__all__":
            return self.all()
        if name not in self.found:
            value = NOTHING if name.startswith("__") else self.find(name)
            if value is NOTHING:
                raise AttributeError(self.refusal(name), name=name, obj=sys.modules[self.package])
            self.found[name] = value
        return self.found[name]


def imported(module: str) -> ModuleType | None:
    """A module, None if there is none of that name."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # something that it needs is missing
        return None


def public(module: ModuleType | None) -> set[str]:
    """The public names of a module: those it lists, else what it and its kin define."""
    if module is None:
        return set()
    if "_face" in vars(module):
        return set(module._face.all())
    if "__all__" in vars(module):
        return set(module.__all__)
    kin = ".".join(module.__name__.split(".")[:2])
    return {name for name, value in vars(module).items() if not name.startswith("_") and _is_of(value, name, kin)}


def defined(module: ModuleType) -> set[str]:
    """The public names that a file of the mirror defines itself."""
    kin = module.__name__
    return {name for name, value in vars(module).items() if not name.startswith("_") and _is_of(value, name, kin)}


def _is_of(value: Any, name: str, kin: str) -> bool:
    if isinstance(value, ModuleType):
        return False
    return f"{getattr(value, '__module__', '')}.".startswith(f"{kin}.") or name in ("serialize", "deserialize")


def mirror(package: str, *homes: str, **names: str) -> None:
    """Make a file of this package a module of Keras.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    *homes : str
        Modules whose public names it has.
    **names : str
        Further names, each with its home.

    Examples
    --------
    >>> from handson.keras import losses
    >>> losses.Hubert
    Traceback (most recent call last):
    AttributeError: handson.keras.losses has no 'Hubert'. Did you mean 'huber'?
    """
    _install(sys.modules[package], Face(package, homes, names))


def _install(module: ModuleType, face: Face) -> None:
    module.__dict__.setdefault("__path__", [])  # so that what fails to be imported from it is asked of the finder
    module.__dict__.update(__getattr__=face.get, __dir__=face.all, _face=face)


class FunctionToo(ModuleType):
    """A module whose name in its package is a function as well, as `keras.layers.merge` was one after the other."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        package, _, name = self.__name__.rpartition(".")
        return sys.modules[package]._face.find(name)(*args, **kwargs)


class Finder(MetaPathFinder, Loader):
    """Finds the mirrored modules that have no file; of others, and of missing names, it says what was meant."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith(f"{ROOT}."):
            return None
        parent, _, name = fullname.rpartition(".")
        if fullname.removeprefix(f"{ROOT}.") in MODULES:
            return ModuleSpec(fullname, self, is_package=True)
        face = getattr(sys.modules.get(parent), "_face", None)
        if face is None or name in face.names or name.startswith("__"):
            return None
        raise ImportError(face.refusal(name), name=fullname)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        parent, _, name = spec.name.rpartition(".")
        face = getattr(sys.modules.get(parent), "_face", None)
        return FunctionToo(spec.name) if face is not None and name in face.names else None

    def exec_module(self, module: ModuleType) -> None:
        homes, names = MODULES[module.__name__.removeprefix(f"{ROOT}.")]
        module.__doc__ = f"Mirrors {', '.join(homes)}." if homes else "Nothing of this module of Keras is here."
        _install(module, Face(module.__name__, homes, names))


def serve() -> None:
    """Ask the finder, after all others, for what is imported from the mirror."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())
