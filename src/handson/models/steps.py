"""A net as a list of steps, as an experiment writes it: each a layer, applied to the step before or to those it names.

A stack is a list of layers. In a net with branches the first steps are inputs, and a step may have further keys:

- ``inputs``: the names of the steps that the layer is applied to; one name, or a list of them for a list of inputs.
- ``call``: in place of a layer, the name of a step whose layer is applied once more.
- ``op``: in place of a layer, the name of a function of `handson.ops`.
- ``args``, ``kwargs``: arguments, in which ``{symbol: name}`` stands for a step.
- ``outputs``, alone: the names of the steps that are the net's outputs; by default the last step.

A step is called what its layer is called, or else by its class in snake case, numbered as in Keras. The outputs of one
that has several are ``name.0``, ``name.1`` and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from handson.core import registry, tree
from handson.core.errors import HandsonError, nearest
from handson.graph import Symbol
from handson.models.functional import decoded, describe_graph
from handson.models.model import Model
from handson.models.naming import kind_of
from handson.models.sequential import Sequential

KEYS = ("inputs", "call", "op", "args", "kwargs", "outputs")
INPUT = "InputLayer"


@dataclass
class Step:
    """One application of a layer or a function.

    Attributes
    ----------
    name : str
        What other steps call it.
    layer : dict, optional
        The layer that is made here, as ``{class: arguments}``.
    call, op : str, optional
        In place of it: the step whose layer is applied again, or a function.
    args, kwargs : list, dict
        Arguments, in which ``{"symbol": name}`` stands for the output of a step.
    """

    name: str
    layer: dict[str, Any] | None = None
    call: str | None = None
    op: str | None = None
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def is_input(self) -> bool:
        """Whether it is an input of the net."""
        return self.layer is not None and INPUT in self.layer


@dataclass
class Steps:
    """The steps of a net with branches, and which of them are its outputs."""

    steps: list[Step]
    outputs: Any

    @property
    def inputs(self) -> list[Step]:
        """The steps that are inputs."""
        return [step for step in self.steps if step.is_input]


def is_stack(entries: Sequence[Any]) -> bool:
    """Whether a list of steps is a plain stack of layers.

    Examples
    --------
    >>> is_stack([{"Dense": {"units": 1}}, "Flatten"]), is_stack([{"Add": {}, "inputs": ["a", "b"]}])
    (True, False)
    """
    return not any(isinstance(entry, dict) and set(entry) & set(KEYS) for entry in entries)


def is_net(entry: Any) -> bool:
    """Whether a step makes a net, and not a layer.

    Examples
    --------
    >>> is_net({"Sequential": {"layers": ["Flatten"]}, "inputs": "a"}), is_net("Flatten"), is_net({"op": "add"})
    (True, False, False)
    """
    made = [entry] if isinstance(entry, str) else [key for key in entry if key not in KEYS]
    return len(made) == 1 and kind_of(made[0]) == "model"


def compact(entry: Any) -> Any:
    """A step that makes a net, checked, with what its net is made of in its shortest form."""
    entry = {entry: {}} if isinstance(entry, str) else entry
    further = {key: value for key, value in entry.items() if key in KEYS}
    net = made({key: value for key, value in entry.items() if key not in KEYS})
    return registry.to_config("model", net, compact=True) | further


def parse(entries: Sequence[Any]) -> Steps:
    """The steps in a list of them.

    Raises
    ------
    HandsonError
        For a step that is none, or that names what does not come before it.

    Examples
    --------
    >>> found = parse([{"InputLayer": {"shape": [3]}}, {"Dense": {"units": 1}}])
    >>> [(step.name, step.args) for step in found.steps]
    [('input_layer', []), ('dense', [{'symbol': 'input_layer'}])]
    """
    steps: list[Step] = []
    outputs: Any = None
    for entry in entries:
        if outputs is not None:
            raise HandsonError("'outputs' is the last entry of a net.")
        if isinstance(entry, dict) and set(entry) == {"outputs"}:
            outputs = entry["outputs"]
        else:
            steps.append(_parsed(entry, steps))
    outputs = steps[-1].name if outputs is None else outputs
    tree.map_leaves(lambda name: _known(name, steps, "outputs"), outputs)
    return Steps(steps, outputs)


def _parsed(entry: Any, before: list[Step]) -> Step:
    entry = {entry: {}} if isinstance(entry, str) else dict(entry)
    given = {key: entry.pop(key) for key in KEYS if key in entry}
    made = [*entry, *(key for key in ("call", "op") if key in given)]
    if len(made) != 1 or "outputs" in given:
        raise HandsonError(
            f"a step is one layer, or 'call', or 'op', and may have {', '.join(KEYS[:1] + KEYS[3:5])}; got "
            f"{', '.join([*entry, *given]) or 'nothing'}."
        )
    _check_types(given)
    if INPUT in entry and given:
        raise HandsonError(f"an input of a net is applied to nothing: leave {', '.join(given)} out.")
    if "inputs" in given and "args" in given:
        raise HandsonError("a step has 'inputs' or 'args', which are the same: leave one of them out.")
    layer = {made[0]: entry[made[0]] or {}} if entry else None
    step = Step(_name(layer, given, before), layer, given.get("call"), given.get("op"))
    if step.call is not None and step.call not in {one.name for one in before if one.layer is not None}:
        raise HandsonError(f"call: {_unknown(step.call, before)}")
    if not before and not step.is_input:
        raise HandsonError(f"a net whose steps name others begins with its inputs: {INPUT}: {{shape: [...]}}.")
    step.args, step.kwargs = list(given.get("args") or []), dict(given.get("kwargs") or {})
    if not step.is_input and "args" not in given:
        names = given.get("inputs", before[-1].name)
        one = [{"symbol": name} for name in names] if isinstance(names, list) else {"symbol": names}
        step.args = [{"list": one} if isinstance(one, list) else one]
    _check_symbols([step.args, step.kwargs], before, step.name)
    return step


def _check_types(given: dict[str, Any]) -> None:
    """Raise unless the keys of a step hold what they should, and name a function that there is."""
    wanted = {"call": str, "op": str, "args": list, "kwargs": dict, "inputs": (str, list)}
    words = {"args": "a list", "kwargs": "a mapping", "inputs": "a name or a list of names"}
    for key, value in given.items():
        names = value if key == "inputs" and isinstance(value, list) else []
        if not isinstance(value, wanted[key]) or not all(isinstance(name, str) for name in names):  # type: ignore[arg-type]
            raise HandsonError(f"{key} of a step is {words.get(key, 'a name')}; got {value!r}.")
    if "op" in given:
        registry.find("op", given["op"])


def _name(layer: dict[str, Any] | None, given: dict[str, Any], before: list[Step]) -> str:
    taken = {step.name for step in before}
    if layer is None:
        return registry.free_name(str(given.get("op") or given.get("call")), taken)
    ((kind, arguments),) = layer.items()
    name = (arguments or {}).get("name")
    if name in taken:
        raise HandsonError(f"two steps of the net are called {name!r}: give one of them another name.")
    return name or registry.free_name(_stem(kind), taken)


def _stem(kind: str) -> str:
    """What layers of a class are called that have no name."""
    found = registry.find(kind_of(kind), kind)
    return getattr(found, "automatic_name", None) or registry.snake_case(found.__name__)


def _check_symbols(value: Any, before: list[Step], where: str) -> None:
    if isinstance(value, dict) and set(value) == {"symbol"}:
        _known(value["symbol"], before, where)
    elif isinstance(value, (dict, list)):
        for branch in value.values() if isinstance(value, dict) else value:
            _check_symbols(branch, before, where)


def _known(name: Any, steps: list[Step], where: str) -> None:
    names = [step.name for step in steps]
    if not isinstance(name, str) or (name not in names and name.rpartition(".")[0] not in names):
        raise HandsonError(f"{where}: {_unknown(name, steps)}")


def _unknown(name: Any, steps: list[Step]) -> str:
    names = [step.name for step in steps]
    return f"no step before it is called {name!r}.{nearest(str(name), names)} Known: {', '.join(names) or 'none'}."


def build(entries: Sequence[Any], name: str | None = None) -> Model:
    """The net of a list of steps.

    Examples
    --------
    >>> entries = [
    ...     {"InputLayer": {"shape": [4], "name": "x"}}, {"Dense": {"units": 4}}, {"Add": {}, "inputs": ["x", "dense"]},
    ... ]
    >>> build(entries).output_shape, build(entries[1:2]).layers
    ((None, 4), [Dense(units=4)])
    """
    if is_stack(entries):
        return Sequential([made(entry) for entry in entries], name=name)
    found, symbols, layers = parse(entries), _Symbols(), {}
    for step in found.steps:
        if step.layer is not None:
            layers[step.name] = made(step.layer)
        if step.is_input:
            symbols.add(step.name, layers[step.name].symbol())
            continue
        function = layers[step.call or step.name] if step.op is None else registry.find("op", step.op)
        symbols.add(step.name, _applied(function, step, symbols))
    inputs = [symbols.of(step.name) for step in found.inputs]
    return Model(inputs[0] if len(inputs) == 1 else inputs, tree.map_leaves(symbols.of, found.outputs), name=name)


def _applied(function: Any, step: Step, symbols: _Symbols) -> Any:
    """What a step gives."""
    try:
        kwargs = {key: symbols.decoded(value) for key, value in step.kwargs.items()}
        return function(*(symbols.decoded(value) for value in step.args), **kwargs)
    except (TypeError, HandsonError) as error:
        raise HandsonError(f"the step {step.name!r}: {error}") from error


def made(entry: Any) -> Any:
    """The layer, or the net, of a configuration."""
    return registry.resolve(kind_of(entry), entry)


class _Symbols:
    """What the steps give, by name."""

    def __init__(self) -> None:
        self.values: list[Symbol] = []
        self.places: dict[str, int] = {}

    def add(self, name: str, outputs: Any) -> None:
        leaves = tree.leaves(outputs)
        for number, leaf in enumerate(leaves):
            self.places[name if len(leaves) == 1 else f"{name}.{number}"] = len(self.values)
            self.values.append(leaf)

    def of(self, name: str) -> Symbol:
        if name not in self.places:
            raise HandsonError(f"the step {name!r} has no such output. Known: {', '.join(self.places)}.")
        return self.values[self.places[name]]

    def decoded(self, value: Any) -> Any:
        """An argument, with symbols in place of their names."""
        return decoded(self._numbered(value), self.values)

    def _numbered(self, value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"symbol"}:
            self.of(value["symbol"])
            return {"symbol": self.places[value["symbol"]]}
        if isinstance(value, dict):
            return {key: self._numbered(branch) for key, branch in value.items()}
        return [self._numbered(branch) for branch in value] if isinstance(value, list) else value


def steps_of(model: Model) -> list[Any]:
    """The list of steps that a net is built from again: a stack of layers, or a net between symbols.

    Raises
    ------
    HandsonError
        For a net that has no such list: a subclass, whose `call` is code, or a module of PyTorch.
    """
    if isinstance(model, Sequential):
        parts: list[Any] = list(model._modules.values())
        return [registry.to_config(part.kind, part, compact=True) for part in parts]
    if model.graph is None or type(model) is not Model:
        raise HandsonError(
            f"{type(model).__name__} {model.name!r} is code, which no list of steps describes: write the net as a "
            f"Sequential or between symbols, Model(inputs, outputs)."
        )
    described = describe_graph(model, compact=True)
    if isinstance(described["inputs"], dict) and "dict" in described["inputs"]:
        raise HandsonError("the inputs of a net in an experiment are one or a list; this net takes a dictionary.")
    return _Writer(model, described).entries()


class _Writer:
    """From the description of a graph to a list of steps."""

    def __init__(self, model: Model, described: dict[str, Any]) -> None:
        self.model, self.described = model, described
        self.layers = dict(zip(model._modules, described["layers"], strict=True))
        self.names: list[str] = []  # of the symbols, in order
        self.steps: dict[str, str] = {}  # of each layer, the step that makes it

    def entries(self) -> list[Any]:
        found: list[Any] = []
        for entry in self.described["entries"]:
            name = entry["layer"]
            if name is None:
                raise HandsonError("an input of the net is the output of another net's layer: begin with Input(...).")
            found.append(self._layer(name))
            self.names.append(self.steps[name])
        nodes = zip(self.model.whole_graph.nodes, self.described["nodes"], strict=True)  # type: ignore[union-attr]
        for node, described in nodes:
            found.append(self._node(described, len(tree.leaves(node.outputs))))
        outputs = self._plain(self.described["outputs"])
        return found if outputs == self.names[-1] else [*found, {"outputs": outputs}]

    def _layer(self, name: str) -> Any:
        """The configuration of a layer, with its name where another one would follow from its place."""
        described = self.layers[name]
        kind, arguments = (described, {}) if isinstance(described, str) else next(iter(described.items()))
        if registry.free_name(_stem(kind), set(self.steps.values())) != name:
            arguments = {**arguments, "name": name}
        self.steps[name] = name
        return {kind: arguments} if arguments else kind

    def _node(self, described: dict[str, Any], outputs: int) -> Any:
        before, name = self.names[-1], described.get("layer")
        args, kwargs = self._named(described["args"]), self._named(described["kwargs"])
        taken = {each.rpartition(".")[0] or each for each in self.names}
        if name is not None and name not in self.steps:
            made = self._layer(name)
            entry: dict[str, Any] = {made: {}} if isinstance(made, str) else dict(made)
            step = name
        else:
            key, what = ("op", described["op"]) if name is None else ("call", self.steps[name])
            entry, step = {key: what}, registry.free_name(what, taken)
        self.names += [step] if outputs == 1 else [f"{step}.{number}" for number in range(outputs)]
        inputs = _inputs_alone(args) if not kwargs else None
        if inputs is None:
            entry |= {"args": args} | ({"kwargs": kwargs} if kwargs else {})
        elif inputs != before:
            entry["inputs"] = inputs
        plain = len(entry) == 1 and not next(iter(entry.values()))
        return next(iter(entry)) if plain else entry

    def _named(self, value: Any) -> Any:
        """Arguments with the names of steps in place of numbers."""
        if isinstance(value, dict) and set(value) == {"symbol"}:
            return {"symbol": self.names[value["symbol"]]}
        if isinstance(value, dict):
            return {key: self._named(branch) for key, branch in value.items()}
        return [self._named(branch) for branch in value] if isinstance(value, list) else value

    def _plain(self, value: Any) -> Any:
        """A tree of symbols as a tree of names."""
        if set(value) == {"symbol"}:
            return self.names[value["symbol"]]
        ((_, branches),) = value.items()
        if isinstance(branches, dict):
            return {key: self._plain(branch) for key, branch in branches.items()}
        return [self._plain(branch) for branch in branches]


def _inputs_alone(args: list[Any]) -> Any:
    """The names of the inputs, where they are all that a step is given; else None."""
    if len(args) != 1 or not isinstance(args[0], dict) or len(args[0]) != 1:
        return None
    ((kind, content),) = args[0].items()
    if kind == "symbol":
        return content
    if kind == "list" and all(isinstance(one, dict) and set(one) == {"symbol"} for one in content):
        return [one["symbol"] for one in content]
    return None
