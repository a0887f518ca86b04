"""An experiment as a program: the Python that its YAML stands for."""

from __future__ import annotations

import keyword
import math
import re
from typing import Any

from handson.core import registry
from handson.core.described import parameters_of
from handson.models import steps
from handson.workflow.experiment import Experiment

# The modules that a program imports nouns from, by their kind; models stand at the top of the package.
PUBLIC = {
    kind: home.removesuffix(".everything")
    for kind, home in registry.HOMES.items()
    if kind not in ("model", "op", "function", "augment")
}
LINE = 110


def to_code(experiment: Experiment) -> str:
    """The program that an experiment stands for: it reads the data, builds the net and trains it.

    Running it gives the same net as `handson fit`: the same split, the same seeds, the same steps.

    Parameters
    ----------
    experiment : Experiment
        A stack of layers, or a net with branches.

    Examples
    --------
    >>> experiment = Experiment(
    ...     name="line", data={"path": "line.csv", "targets": "y"}, model=[{"Dense": {"units": 1}}], fit={"epochs": 5}
    ... )
    >>> print(to_code(experiment), end="")
    \"\"\"The experiment line.\"\"\"
    <BLANKLINE>
    from handson import Sequential
    from handson.data import read
    from handson.layers import Dense
    from handson.optimizers import Adam
    <BLANKLINE>
    <BLANKLINE>
    def build():
        net = Sequential([Dense(units=1)], name="line")
        net.compile(optimizer=Adam(), loss="mse")
        return net
    <BLANKLINE>
    <BLANKLINE>
    if __name__ == "__main__":
        data = read("line.csv", targets="y")
        training, validation = data.split(0.2, seed=0)
        net = build()
        net.fit(*training.arrays(), validation_data=validation.arrays(), epochs=5, seed=0)
        net.save("line.handson")
    """
    return _Program(experiment).text()


class _Program:
    """A program in the making: what it imports is known when everything else is written."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.imports: dict[str, set[str]] = {}

    def text(self) -> str:
        body = ["def build():", *_indented([*self._net(), *self._compile(), "return net"])]
        main = ['if __name__ == "__main__":', *_indented(self._training())]
        return "\n".join([f'"""The experiment {self.experiment.name}."""', "", *self._imported(), *("", ""), *body,
                          *("", ""), *main, ""])  # fmt: skip

    def _imported(self) -> list[str]:
        return [f"from {home} import {', '.join(sorted(names))}" for home, names in sorted(self.imports.items())]

    def use(self, home: str, name: str) -> str:
        self.imports.setdefault(home, set()).add(name)
        return name

    # The net.

    def _net(self) -> list[str]:
        entries, name = self.experiment.model, self.experiment.name
        if steps.is_stack(entries):
            made = [self.expression(entry if isinstance(entry, dict) else {entry: {}}) for entry in entries]
            return _call(f"net = {self.use('handson', 'Sequential')}", [_listed(made), f"name={_literal(name)}"])
        return self._branches(steps.parse(entries), name)

    def _branches(self, found: steps.Steps, name: str) -> list[str]:
        names, again = _Names(), {step.call for step in found.steps if step.call is not None}
        lines: list[str] = []
        for step in found.steps:
            if step.layer is None:
                function = names.layers[step.call] if step.call else f"{self.use('handson', 'ops')}.{step.op}"
            else:
                function = self._layer(step)
                if step.name in again:
                    names.layers[step.name] = names.free(f"{step.name}_layer")
                    lines.append(f"{names.layers[step.name]} = {function}")
                    function = names.layers[step.name]
            place = names.of_step(step.name)
            if step.is_input:
                lines.append(f"{place} = {function}")
                continue
            given = [names.written(value) for value in step.args]
            given += [f"{key}={names.written(value)}" for key, value in step.kwargs.items()]
            lines.append(f"{place} = {function}({', '.join(given)})")
        inputs = [names.of_step(step.name) for step in found.inputs]
        arguments = [inputs[0] if len(inputs) == 1 else f"[{', '.join(inputs)}]", names.tree(found.outputs)]
        return [*lines, *_call(f"net = {self.use('handson', 'Model')}", [*arguments, f"name={_literal(name)}"])]

    def _layer(self, step: steps.Step) -> str:
        ((kind, arguments),) = (step.layer or {}).items()
        if kind == steps.INPUT:
            return f"{self.use('handson', 'Input')}({self._arguments(arguments)})"
        return self.expression({kind: arguments})

    def _compile(self) -> list[str]:
        section = self.experiment.compile
        given = section.model_dump(exclude_defaults=True) | {"optimizer": section.optimizer, "loss": section.loss}
        order = [key for key in type(section).model_fields if key in given]
        return _call("net.compile", [f"{key}={self.noun(given[key])}" for key in order])

    # Nouns.

    def noun(self, value: Any) -> str:
        """A noun that a section names: a class becomes an object, any other name stays text."""
        if isinstance(value, str) and _kind_of(value) is not None and value[:1].isupper():
            return self.expression({value: {}})
        return self.expression(value)

    def expression(self, value: Any) -> str:
        """A value of a configuration as Python; a noun with its arguments is made."""
        if isinstance(value, dict) and len(value) == 1:
            ((name, arguments),) = value.items()
            kind = _kind_of(name) if arguments is None or isinstance(arguments, dict) else None
            if kind is not None:
                return self._made(kind, name, arguments or {})
        if isinstance(value, dict):
            return "{" + ", ".join(f"{_literal(key)}: {self.expression(entry)}" for key, entry in value.items()) + "}"
        if isinstance(value, (list, tuple)):
            return _listed([self.noun(entry) if isinstance(entry, dict) else _literal(entry) for entry in value])
        return _literal(value)

    def _made(self, kind: str, name: str, arguments: dict[str, Any]) -> str:
        found = registry.find(kind, name)
        home = "handson" if kind == "model" else PUBLIC[kind]
        own = found.__module__.partition(".")[0] != "handson"
        called = self.use(found.__module__ if own else home, found.__name__)
        if kind == "model" and "layers" in arguments:
            layers = [self.noun(entry) for entry in arguments["layers"]]
            rest = self._arguments({key: value for key, value in arguments.items() if key != "layers"})
            return f"{called}({_listed(layers)}{', ' if rest else ''}{rest})"
        if kind == "model":  # a net between symbols, inside of another one
            return f"{called}.from_config({_literal(arguments)})"
        return f"{called}({self._arguments(arguments, found)})"

    def _arguments(self, arguments: dict[str, Any], target: Any = None) -> str:
        known = list(parameters_of(target)) if target is not None else []
        ordered = sorted(arguments, key=lambda key: known.index(key) if key in known else len(known))
        return ", ".join(f"{key}={self.expression(arguments[key])}" for key in ordered)

    # Data and training.

    def _training(self) -> list[str]:
        experiment, fit = self.experiment, self.experiment.fit
        data = experiment.data.model_dump(exclude_none=True)
        path = _literal(data.pop("path", None) or "data.csv")
        more = "".join(f", {key}={_literal(value)}" for key, value in data.items())
        lines = [f"data = {self.use('handson.data', 'read')}({path}{more})"]
        given = {"epochs": fit.epochs, **fit.model_dump(exclude_defaults=True), "seed": fit.seed}
        arguments = ["*data.arrays()"]
        split = experiment.split
        if split.holds_out:
            seed = fit.seed if split.seed is None else split.seed
            cut = f"split({split.validation!r}" if split.folds is None else f"fold({split.fold}, of={split.folds}"
            lines.append(f"training, validation = data.{cut}, seed={seed})")
            arguments = ["*training.arrays()", "validation_data=validation.arrays()"]
        if experiment.augment is not None:
            made = f"{self.use('handson.data', 'Augment')}({self._arguments(experiment.augment)})"
            arguments.append(f"augment={made}")
        callbacks = given.pop("callbacks", [])
        if given.pop("tensorboard", False):
            callbacks = [*callbacks, fit.event_files(f"runs/{experiment.name}/tensorboard")]
        if callbacks:
            arguments.append(f"callbacks={_listed([self.noun(callback) for callback in callbacks])}")
        arguments += [f"{key}={_literal(value)}" for key, value in given.items()]
        saved = _literal(f"{experiment.name}.handson")
        return [*lines, "net = build()", *_call("net.fit", arguments), f"net.save({saved})"]


class _Names:
    """The names of variables for the outputs of steps, and for layers that are applied again."""

    def __init__(self) -> None:
        self.taken = {"net", "ops", "build", *keyword.kwlist}
        self.steps: dict[str, str] = {}
        self.layers: dict[str, str] = {}

    def free(self, name: str) -> str:
        name = re.sub(r"\W", "_", name)
        found = registry.free_name(f"x_{name}" if name[:1].isdigit() else name, self.taken)
        self.taken.add(found)
        return found

    def of_step(self, name: str) -> str:
        """The variable of a step, or the item of one that has several outputs."""
        if name not in self.steps and name.rpartition(".")[0] in self.steps:
            step, _, number = name.rpartition(".")
            return f"{self.steps[step]}[{number}]"
        if name not in self.steps:
            self.steps[name] = self.free(name)
        return self.steps[name]

    def tree(self, names: Any) -> str:
        """A tree of the names of steps."""
        if isinstance(names, dict):
            return "{" + ", ".join(f"{_literal(key)}: {self.tree(name)}" for key, name in names.items()) + "}"
        return f"[{', '.join(map(self.tree, names))}]" if isinstance(names, list) else self.of_step(names)

    def written(self, value: Any) -> str:
        """An argument as Python."""
        if not isinstance(value, dict):
            return _literal(value)
        ((kind, content),) = value.items()
        if kind == "symbol":
            return self.of_step(content)
        if kind == "dict":
            return "{" + ", ".join(f"{_literal(key)}: {self.written(one)}" for key, one in content.items()) + "}"
        if kind == "constant":
            return f"ops.convert_to_tensor({content['values']!r}, dtype={content['dtype']!r})"
        if kind in ("tuple", "list", "slice"):
            entries = ", ".join(map(self.written, content))
            brackets = {"tuple": f"({entries}{',' if len(content) == 1 else ''})", "list": f"[{entries}]"}
            return brackets.get(kind, f"slice({entries})")
        return {"ellipsis": "...", "float": f"float({content!r})"}.get(kind, repr(content))


def _kind_of(name: Any) -> str | None:
    """The kind of a registered class of nouns, None for any other name."""
    if not isinstance(name, str):
        return None
    for kind in (*PUBLIC, "model"):
        if registry.is_known(kind, name) and isinstance(registry.find(kind, name), type):
            return kind
    return None


def _literal(value: Any) -> str:
    """A plain value as Python, with double quotes."""
    if isinstance(value, str):
        text = repr(value)
        return text if '"' in value or "\\" in text else f'"{value}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value) if not isinstance(value, float) or math.isfinite(value) else f'float("{value}")'


def _listed(entries: list[str]) -> str:
    """A list, on one line or on one for each entry."""
    line = f"[{', '.join(entries)}]"
    if len(line) <= LINE - 30:
        return line
    return "\n".join(["[", *(f"    {entry}," for entry in entries), "]"])


def _call(function: str, arguments: list[str]) -> list[str]:
    """A call, on one line or with an argument on each."""
    line = f"{function}({', '.join(arguments)})"
    if len(line.partition("\n")[0]) <= LINE and "\n" not in line:
        return [line]
    inner = [part for argument in arguments for part in f"{argument},".split("\n")]
    return [f"{function}(", *_indented(inner), ")"]


def _indented(lines: list[str]) -> list[str]:
    return [f"    {part}" if part else part for line in lines for part in line.split("\n")]
