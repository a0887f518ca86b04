"""An experiment: data, split, augmentation, net and training on one page, in YAML or in code."""

from __future__ import annotations

import os
import re
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from handson.core.errors import HandsonError, nearest, shortened
from handson.data.reading.csv_layout import CsvFormat
from handson.data.reading.dataset import Dataset
from handson.data.reading.sources import check_exists, read
from handson.workflow import yaml_file

if TYPE_CHECKING:
    from handson.data.augment import Augment
    from handson.models import Model

# Mistakes that are listed; those that come after them may be due to the same cause.
MOST_SHOWN = 20
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


def _noun(kind: str) -> Any:
    """A validator: a name, a configuration or an object of a kind, as its shortest configuration."""

    def check(value: Any) -> Any:
        from handson.core import registry

        try:
            return registry.to_config(kind, registry.resolve(kind, value), compact=True)
        except (TypeError, HandsonError) as error:
            raise ValueError(str(error)) from None

    return BeforeValidator(check)


def _named_noun(kind: str) -> Any:
    """Like `_noun`, but a plain name stays one: 'acc' is the accuracy that belongs to the loss."""
    strict = _noun(kind)

    def check(value: Any) -> Any:
        from handson.core import registry

        if isinstance(value, str):
            names = {name for k in {kind, "loss"} for name in registry.names(k)} | {"acc", "accuracy"}
            if value in names:
                return value
            raise ValueError(f"unknown {kind} {value!r}.{nearest(value, names)}")
        return strict.func(value)

    return BeforeValidator(check)


def _step() -> Any:
    """A validator: a layer, or a step of a net with branches, whose other keys stay as they are."""
    layer = _noun("layer")

    def check(value: Any) -> Any:
        from handson.core.described import jsonable
        from handson.models import steps

        if isinstance(value, dict) and "Input" in value:
            value = {steps.INPUT if key == "Input" else key: entry for key, entry in value.items()}
        if isinstance(value, (str, dict)) and steps.is_net(value):
            return steps.compact(value)
        if steps.is_stack([value]):
            return layer.func(value)
        further = {key: jsonable(value[key]) for key in steps.KEYS if key in value}
        made = {key: entry for key, entry in value.items() if key not in further}
        checked = layer.func(made) if made else {}
        return (checked if isinstance(checked, dict) else {checked: {}}) | further

    return BeforeValidator(check)


def _steps(value: list[Any]) -> list[Any]:
    """The steps, of which each names only what comes before it."""
    from handson.models import steps

    if not steps.is_stack(value):
        steps.parse(value)
    return value


def _scaling(what: str) -> Any:
    """A validator: a scaling of `what`, as JSON."""

    def check(value: Any) -> Any:
        from handson.core.described import jsonable
        from handson.data.rows.scaling import Scaling, given_scaling

        if value is not None:
            given_scaling(value, what)
        return jsonable(value.get_config() if isinstance(value, Scaling) else value)

    return BeforeValidator(check)


def _engine(value: str) -> str:
    from handson.training.engines import ENGINES

    known = ["auto", *ENGINES]
    if value not in known:
        raise HandsonError(f"unknown engine {value!r}.{nearest(value, known)} Known: {', '.join(known)}.")
    return value


def _precision(value: str) -> str:
    from handson.state.precision import check_precision

    return check_precision(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value)


def _names(value: Any) -> str | list[str]:
    if isinstance(value, str):
        return value
    if _is_names(value):
        return list(value)
    raise HandsonError(f"expected a name or a list of names; got {value!r}.")


def _groups(value: Any) -> str | dict[str, list[str]]:
    if value == "auto":
        return "auto"
    if isinstance(value, dict) and _is_names(list(value)) and all(map(_is_names, value.values())):
        return {name: list(columns) for name, columns in value.items()}
    raise HandsonError(
        f"expected 'auto', or the columns of each group, such as {{eyes: [left, right]}}; got {value!r}."
    )


def _class_weight(value: Any) -> dict[int, float] | list[float] | None:
    numbers = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else None
    whole = not isinstance(value, dict) or all(type(key) is int for key in value)
    if value is None:
        return None
    if numbers is None or not whole or not all(isinstance(one, Real) for one in numbers):
        raise HandsonError(
            f"expected the weights of classes by their numbers, such as {{0: 1.0, 1: 5.0}}, or a list with one for "
            f"each class; got {value!r}."
        )
    return dict(value) if isinstance(value, dict) else list(value)


def folder_name(name: str) -> str:
    """The name, if it can be that of a run's folder.

    Raises
    ------
    HandsonError
        When it is empty, longer than 80 characters, begins with a dot or a dash, or holds other characters than
        letters, digits, '_', '-' and '.'.

    Examples
    --------
    >>> folder_name("faces-2")
    'faces-2'
    """
    if not NAME.fullmatch(name):
        raise HandsonError(
            f"a name becomes a folder, so it begins with a letter, a digit or '_', and has at most 80 letters, "
            f"digits, '_', '-' and '.'; got {name!r}."
        )
    return name


Names = Annotated[str | list[str], PlainValidator(_names)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads 'yes' and 'true' as truth values, which Python counts as 1."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        kinds = set(get_args(annotation)) or {annotation}
        if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
            raise ValueError(f"expected a number; got {value!r}")
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise HandsonError(_explain(error, type(self))) from None


class DataSection(_Section):
    """Where the data is and what its columns are: the arguments of `handson.data.read`."""

    path: str | None = None
    targets: Names | None = None
    inputs: Names | None = None
    groups: str | None = None
    ids: str | None = None
    image: str | None = None
    image_shape: list[int] | None = None
    input_names: Names | None = None
    target_names: Names | None = None
    classes: Names | None = None
    csv: Annotated[dict[str, Any] | None, BeforeValidator(lambda value: CsvFormat.of(value).to_dict() or None)] = None
    in_memory: bool | None = None
    window: int | None = Field(None, ge=1)
    skip_broken: bool | None = None
    categories: Names | None = None


class SplitSection(_Section):
    """How rows are split: the share that validates, and the seed of the shuffle (by default that of the training).

    With `folds` the rows are cut into so many parts, and part number `fold`, from 1, validates.
    """

    validation: float = Field(0.2, ge=0.0, lt=1.0)
    seed: int | None = Field(None, ge=0)
    folds: int | None = Field(None, ge=2)
    fold: int = Field(1, ge=1)

    @property
    def holds_out(self) -> bool:
        """Whether any rows validate."""
        return self.folds is not None or self.validation > 0


class CompileSection(_Section):
    """The arguments of `Model.compile`."""

    optimizer: Annotated[Any, _noun("optimizer")] = "Adam"
    loss: Annotated[Any, _named_noun("loss")] = "mse"
    metrics: list[Annotated[Any, _named_noun("metric")]] = Field(default_factory=list, max_length=50)
    scale_inputs: Annotated[Any, _scaling("inputs")] = None
    scale_targets: Annotated[Any, _scaling("targets")] = None
    precision: Annotated[str, AfterValidator(_precision)] = "float32"


# How many times about a training with event files writes all weights.
HISTOGRAMS = 50


class FitSection(_Section):
    """The arguments of `Model.fit`."""

    epochs: int = Field(10, ge=0)
    batch_size: int = Field(32, ge=1)
    seed: int = Field(0, ge=0)
    missing: Literal["mask", "drop"] = "mask"
    class_weight: Annotated[Any, PlainValidator(_class_weight)] = None
    callbacks: list[Annotated[Any, _noun("callback")]] = Field(default_factory=list, max_length=50)
    evaluate_training: bool = False
    shuffle: bool = True
    engine: Annotated[str, AfterValidator(_engine)] = "auto"
    checkpoint_seconds: float = Field(300.0, ge=0)
    monitor: bool = False
    tensorboard: bool = False
    shards: int | None = Field(None, ge=1)
    exact: bool = True

    def event_files(self, folder: str) -> dict[str, Any]:
        """The callback that writes event files into a folder, with weights as histograms and pictures now and then."""
        rarely = max(1, self.epochs // HISTOGRAMS)
        return {"TensorBoard": {"log_dir": folder, "histogram_freq": rarely, "write_images": True}}


class SpecialistsSection(_Section):
    """How specialists are trained: see `handson.ensembles.specialists.Specialists`.

    With `of`, a run folder, the experiment is that of one specialist of this run: of the group that `only` names.
    """

    groups: Annotated[str | dict[str, list[str]], PlainValidator(_groups)] = "auto"
    output: Literal["trained", "new"] = "trained"
    epochs: int = Field(100, ge=1)
    batch_size: int = Field(32, ge=1)
    patience: int | None = 20
    optimizer: Annotated[Any, _noun("optimizer")] | None = None
    of: str | None = None
    only: str | None = None


class Experiment(_Section):
    """Everything that makes a run: data, split, augmentation, net, compile and fit.

    Parameters
    ----------
    name : str
        The name of the run's folder.
    data, split, compile, fit, specialists : dict or section
        See the sections' own fields.
    model : list
        The layers: names, configurations or objects; of a net with branches steps, see `handson.models.steps`.
    augment : dict, optional
        The arguments of `handson.data.Augment`.

    Examples
    --------
    >>> text = '''
    ... name: line
    ... data: {path: line.csv, targets: y}
    ... model:
    ...   - Dense: {units: 8, activation: relu}
    ...   - Dense: {units: 1}
    ... compile: {optimizer: {Adam: {learning_rate: 1e-2}}, loss: mse}
    ... fit: {epochs: 3}
    ... '''
    >>> experiment = Experiment.from_yaml_text(text)
    >>> Experiment.from_yaml_text(experiment.to_yaml()) == experiment
    True
    """

    name: Annotated[str, AfterValidator(folder_name)] = "run"
    data: DataSection = Field(default_factory=lambda: DataSection())
    split: SplitSection = Field(default_factory=lambda: SplitSection())
    augment: Annotated[dict[str, Any] | None, BeforeValidator(lambda value: _augment_arguments(value))] = None
    model: Annotated[list[Annotated[Any, _step()]], AfterValidator(_steps)] = Field(min_length=1, max_length=400)
    compile: CompileSection = Field(default_factory=lambda: CompileSection())
    fit: FitSection = Field(default_factory=lambda: FitSection())
    specialists: SpecialistsSection = Field(default_factory=lambda: SpecialistsSection())

    def __init__(self, **sections: Any) -> None:
        try:
            super().__init__(**sections)
        except ValidationError as error:
            raise HandsonError(_explain(error, Experiment)) from None

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Experiment:
        """The experiment in a YAML file.

        Raises
        ------
        FileNotFoundError
            When the file is not there.
        HandsonError
            Listing everything that is wrong, each with its line and the nearest known name.
        """
        path = Path(path)
        check_exists(path)
        return cls._from_document(yaml_file.read(path))

    @classmethod
    def from_yaml_text(cls, text: str, source: str = "experiment") -> Experiment:
        """The experiment in a YAML text."""
        return cls._from_document(yaml_file.Document(text, source))

    @classmethod
    def _from_document(cls, document: yaml_file.Document) -> Experiment:
        experiment, sections = cls.__new__(cls), document.value or {}
        try:
            BaseModel.__init__(experiment, **{str(key): value for key, value in sections.items()})
        except ValidationError as error:
            raise HandsonError(_explain(error, Experiment, document)) from None
        return experiment

    @classmethod
    def from_model(cls, model: Model, **sections: Any) -> Experiment:
        """The experiment whose `build` gives a compiled net again, with other weights.

        Parameters
        ----------
        model : Model
            A stack of layers, or a net between symbols.
        **sections
            What the net does not say: `data`, `split`, `augment`, `fit`, and `name` in place of the net's.

        Raises
        ------
        HandsonError
            For a net that is code, or was compiled with what an experiment cannot name.

        Examples
        --------
        >>> from handson import Sequential
        >>> from handson.layers import Dense
        >>> net = Sequential([Dense(4, activation="relu"), Dense(1)], name="line")
        >>> net.compile("adam", "mse")
        >>> found = Experiment.from_model(net, data={"path": "line.csv", "targets": "y"}, fit={"epochs": 5})
        >>> print(found.to_yaml(), end="")
        name: line
        data: {path: line.csv, targets: y}
        model:
        - Dense: {units: 4, activation: relu}
        - Dense: {units: 1}
        compile: {loss: MeanSquaredError}
        fit: {epochs: 5}
        """
        from handson.models import steps

        given = model.need_compiled("Experiment.from_model")
        more = [name for name in ("loss_weights", "weighted_metrics") if getattr(given, name) is not None]
        if more or given.loss is None:
            raise HandsonError(f"an experiment has a loss and no {more[0] if more else 'net that brings its own'}.")
        compiled = {name: getattr(given, name) for name in CompileSection.model_fields}
        compiled["metrics"] = compiled["metrics"] or []
        described = {"name": model.name, "model": steps.steps_of(model), "compile": compiled}
        try:
            return cls(**(described | sections))
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:MOST_SHOWN]]
            raise HandsonError("; ".join(wrong)) from None

    def to_yaml(self, path: str | os.PathLike[str] | None = None) -> str:
        """The experiment as YAML, without what is at its default; written to a file if a path is given."""
        text = yaml_file.dump(self.model_dump(exclude_defaults=True) | {"name": self.name})
        if path is not None:
            from handson.files import atomic

            atomic.write_text(path, text)
        return text

    def read_data(self, path: str | os.PathLike[str] | None = None, **others: Any) -> Dataset:
        """The data set, from the experiment's path or another one; `others` are in place of its other arguments."""
        arguments = self.data.model_dump(exclude_none=True) | others
        given = arguments.pop("path", None)
        if path is None and given is None:
            raise HandsonError("the experiment names no data: give data: {path: ...}, or --data on the command line.")
        return read(path or given, **arguments)

    def build(self) -> Model:
        """The net, compiled; it is built at the first data, with the seed of the training."""
        from handson.models import steps

        net = steps.build(self.model, name=self.name)
        net.compile(**self.compile.model_dump())
        return net

    def build_augment(self) -> Augment | None:
        """The augmentation, or None."""
        from handson.data.augment import Augment

        return None if self.augment is None else Augment(**self.augment)


def _augment_arguments(value: Any) -> Any:
    """The arguments of an augmentation, checked; an `Augment` becomes its arguments."""
    from handson.data.augment import Augment

    if value is None or isinstance(value, Augment):
        return None if value is None else value.get_config(compact=True)
    if not isinstance(value, dict):
        raise ValueError(f"augment is a mapping of the arguments of Augment; got {value!r}.")
    try:
        return Augment(**value).get_config(compact=True)
    except (TypeError, HandsonError) as error:
        raise ValueError(str(error)) from None


def _explain(error: ValidationError, kind: type[BaseModel], document: yaml_file.Document | None = None) -> str:
    """Everything that is wrong with an experiment or a section, each with its line if it comes from a file."""
    lines = []
    for entry in error.errors()[:MOST_SHOWN]:
        path = [step for step in entry["loc"] if step != "[key]"]
        message = entry["msg"].removeprefix("Value error, ")
        if entry["type"] in ("extra_forbidden", "no_such_attribute"):
            section = _section_of(path, kind)
            where = f" of {path[-2]!r}" if len(path) > 1 else ""
            message = f"unknown key {path[-1]!r}{where}.{nearest(str(path[-1]), section)} Known: {', '.join(section)}."
        elif entry["type"] == "missing":
            message = f"the key {path[-1]!r} is missing."
        elif entry["type"] == "model_type":
            message = f"{path[-1]}: expected keys and their values; got {entry['input']!r}."
        else:
            label = ".".join(str(step) for step in path)
            message = f"{label}: {message}" + ("" if entry["type"] == "value_error" else f"; got {entry['input']!r}.")
        message = shortened(message, 500)
        lines.append((0 if document is None else document.line(path, message), message))
    if document is None:
        return "\n".join(message for _, message in lines)
    return "\n".join(f"{document.source}, line {line}: {message}" for line, message in sorted(lines))


def _section_of(path: list[Any], section: Any) -> list[str]:
    for step in path[:-1]:
        section = section.model_fields[step].annotation if step in section.model_fields else section
    return list(section.model_fields)
