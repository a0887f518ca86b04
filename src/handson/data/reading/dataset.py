"""A data set: inputs, targets, and what is known about them, as arrays in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from handson.core.errors import HandsonError, listing, nearest, whole

if TYPE_CHECKING:
    from handson.data.rows.split import Split
    from handson.data.rows.stored import StoredRows


@dataclass
class Dataset:
    """Inputs and targets with their names.

    Attributes
    ----------
    inputs : ndarray or StoredRows, shape (n, features) or (n, height, width, channels)
        Features as float32, or float64 where that would lose digits (dates, large ids); images as uint8, or float32 if
        they were not integers of 8 bits. What is too large for the memory stays in its file.
    targets : ndarray, optional
        Values as float32 or float64 of shape (n, columns), NaN where missing; or classes as int64 of shape (n,), -1
        where missing.
    input_names, target_names : list of str
        The columns; for images the inputs have no names.
    classes : list of str, optional
        The names of the classes 0, 1, ... if the targets are classes.
    groups : ndarray, shape (n,), optional
        Rows of one group stay together in a split.
    ids : ndarray, shape (n,), optional
        A name or number of each row.
    source : str
        Where it came from.
    notes : list of str
        What was decided while reading.

    Examples
    --------
    >>> data = Dataset(np.zeros((3, 2), np.float32), np.zeros((3, 1), np.float32), ["a", "b"], ["y"])
    >>> len(data), data.kind
    (3, 'table')
    """

    inputs: np.ndarray | StoredRows
    targets: np.ndarray | None = None
    input_names: list[str] = field(default_factory=list)
    target_names: list[str] = field(default_factory=list)
    classes: list[str] | None = None
    groups: np.ndarray | None = None
    ids: np.ndarray | None = None
    source: str = ""
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("targets", "groups", "ids"):
            value = getattr(self, name)
            if value is not None and np.shape(value)[:1] != self.inputs.shape[:1]:
                rows = len(value) if np.ndim(value) else 1
                raise HandsonError(f"{self.source}: {len(self.inputs)} rows of inputs and {rows} of {name}.")

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def kind(self) -> str:
        """'images' or 'table'."""
        return "images" if self.inputs.ndim == 4 else "table"

    @property
    def task(self) -> str:
        """'classification', 'regression', or 'none' without targets."""
        if self.targets is None:
            return "none"
        return "classification" if self.classes is not None else "regression"

    def split(self, validation: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
        """The rows that train and those that validate: shuffled, classes in proportion, groups never divided.

        Parameters
        ----------
        validation : float
            The share of rows that validate.
        seed : int
            The seed of the shuffle.

        Examples
        --------
        >>> data = Dataset(np.zeros((10, 2), np.float32), np.zeros((10, 1), np.float32), ["a", "b"], ["y"])
        >>> [len(part) for part in data.split(0.3)]
        [7, 3]
        """
        parts = self.split_rows(validation, seed)
        return self.rows(parts.train), self.rows(parts.validation)

    def split_rows(self, validation: float, seed: int) -> Split:
        """The numbers of the rows that `split` gives."""
        from handson.data.rows.split import split

        labels = self.targets if self.task == "classification" else None
        return split(len(self), validation, seed, labels, self.groups)

    def fold(self, number: int, of: int, seed: int = 0) -> tuple[Dataset, Dataset]:
        """The rows that train and those that validate, where part `number` of `of` validates.

        Parameters
        ----------
        number : int
            Which part, from 1.
        of : int
            How many parts there are; every row is in one of them.
        seed : int
            The seed of the shuffle.

        Examples
        --------
        >>> data = Dataset(np.zeros((10, 2), np.float32), np.zeros((10, 1), np.float32), ["a", "b"], ["y"])
        >>> [len(part) for part in data.fold(1, of=5)]
        [8, 2]
        """
        parts = self.fold_rows(number, of, seed)
        return self.rows(parts.train), self.rows(parts.validation)

    def fold_rows(self, number: int, of: int, seed: int) -> Split:
        """The numbers of the rows that `fold` gives."""
        from handson.data.rows.folds import make_folds

        if not 1 <= number <= of:
            raise HandsonError(f"fold {number} of {of}: folds are numbered from 1 to {of}.")
        whole("fold", number, 1)
        labels = self.targets if self.task == "classification" else None
        return make_folds(len(self), of, seed, labels, self.groups)[number - 1]

    def arrays(self) -> tuple[Any, Any]:
        """Inputs and targets as `Model.fit` takes them: columns by their names, missing classes as NaN."""
        import pandas as pd

        inputs: Any = self.inputs
        targets = np.asarray(self.targets)
        if isinstance(inputs, np.ndarray) and inputs.ndim == 2 and self.input_names:
            inputs = pd.DataFrame(inputs, columns=self.input_names, copy=False)
        if self.task == "classification":
            return inputs, np.where(targets < 0, np.nan, targets) if (targets < 0).any() else targets
        return inputs, pd.DataFrame(targets, columns=self.target_names, copy=False)

    def rows(self, chosen: Any) -> Dataset:
        """Some of the rows, by a mask or by row numbers."""
        taken = {
            name: None if getattr(self, name) is None else getattr(self, name)[chosen]
            for name in ("targets", "groups", "ids")
        }
        inputs = self.inputs
        inputs = inputs[chosen] if isinstance(inputs, np.ndarray) else inputs.select(np.asarray(chosen))
        return replace(self, inputs=inputs, **taken)  # type: ignore[arg-type]

    def columns(self, names: list[str]) -> Dataset:
        """The same rows with some of the target columns, in the given order."""
        if self.targets is None:
            raise HandsonError(f"{self.source} has no targets.")
        unknown = next((name for name in names if name not in self.target_names), None)
        if unknown is not None:
            raise HandsonError(
                f"{self.source} has no target {unknown!r}.{nearest(unknown, self.target_names)} "
                f"Targets: {listing(self.target_names)}."
            )
        positions = [self.target_names.index(name) for name in names]
        return replace(self, targets=self.targets[:, positions], target_names=list(names))
