"""Curves of trainings: of one, of many beside each other, of specialists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handson import metrics
from handson.core.errors import HandsonError, listing, nearest
from handson.plots.style import (
    HIGHEST,
    MARK,
    TRAINING,
    VALIDATION,
    PathLike,
    distinct,
    printable,
    save,
    scale,
    tidy,
    whole_epochs,
)  # fmt: skip

if TYPE_CHECKING:
    from handson.state.history import History


def plot_history(history: History, path: PathLike | None = None) -> Figure:
    """Training and validation curves; the epoch with the lowest validation loss is marked as the sweet spot.

    Parameters
    ----------
    history : History
        From `fit`.
    path : str or path, optional
        Where to write the picture.

    Returns
    -------
    Figure
        The loss, and one panel for each metric; an empty panel before the first epoch.
    """
    plain = [name for name in history.history if not name.startswith(("val_", "train_")) and name != "learning_rate"]
    plain = plain or ["loss"]
    figure = Figure(figsize=(5.2 * len(plain), 3.9), layout="constrained")
    epochs = [epoch + 1 for epoch in history.epoch]
    best = history.best()
    for axes, name in zip(np.ravel(figure.subplots(1, len(plain), squeeze=False)), plain, strict=True):
        curves = {
            name: ("training, during the epoch", TRAINING, "--"),
            f"train_{name}": ("training, evaluated", TRAINING, "-"),
            f"val_{name}": ("validation", VALIDATION, "-"),
        }
        drawn = {key: np.clip(values, -HIGHEST, HIGHEST) for key, values in history.history.items() if key in curves}
        for key, (label, colour, style) in curves.items():
            if key in drawn:
                axes.plot(epochs, drawn[key], style, color=colour, label=label, linewidth=1.6)
        if best is not None and best[1].startswith("val_"):
            _mark_best(axes, best[0] + 1, drawn.get(f"val_{name}", np.array([])).tolist(), epochs)
        scale(axes, [values.tolist() for values in drawn.values()])
        # A name is words, not formulas, and may come from somebody else's file.
        axes.set_ylabel("".join(filter(str.isprintable, name)).replace("_", " "), parse_math=False)
        whole_epochs(axes)
        if axes.lines:
            axes.legend(frameon=False, fontsize=8)
        tidy(axes)
    return save(figure, path)


def _mark_best(axes: Axes, epoch: int, values: Sequence[float], epochs: Sequence[int]) -> None:
    axes.axvline(epoch, color=MARK, linewidth=0.8, linestyle=":")
    if values:
        axes.plot([epoch], [values[list(epochs).index(epoch)]], "o", color=MARK, markersize=5)
    axes.annotate(
        f"sweet spot: epoch {epoch}", (epoch, 1.0), (3, -3), xycoords=("data", "axes fraction"),
        textcoords="offset points", fontsize=8, color=MARK, va="top", rotation=90,
    )  # fmt: skip


def plot_specialists(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    weights: Mapping[str, int],
    unit: str = "pixels",
    path: PathLike | None = None,
) -> Figure:
    """The fourth lecture's figure: training and validation error of each specialist, and their weighted mean.

    Parameters
    ----------
    curves : dict of str to (training errors, validation errors)
        Root mean square errors by epoch.
    weights : dict of str to int
        The number of target columns of each, which weighs it in the mean.
    unit : str
        Of the errors.
    path : str or path, optional
        Where to write the picture.
    """
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    longest = max(len(validation) for _, validation in curves.values())
    total, mean = sum(weights.values()), np.zeros(longest)
    for colour, (name, (training, validation)) in zip(distinct(len(curves)), curves.items(), strict=True):
        epochs = np.arange(1, len(validation) + 1)
        axes.plot(epochs, validation, color=colour, linewidth=1.8, label=f"{name} ({weights[name]})")
        axes.plot(epochs, training, "--", color=colour, linewidth=1.1, alpha=0.6)
        best_so_far = np.fmin.accumulate(np.asarray(validation, float))
        mean += weights[name] * np.square(np.pad(best_so_far, (0, longest - len(validation)), mode="edge"))
    axes.plot(np.arange(1, longest + 1), np.sqrt(mean / total), color="black", linewidth=3, alpha=0.8, label="mean")
    axes.set_ylabel(f"root mean square error [{unit}]")
    whole_epochs(axes)
    axes.set_title(
        "solid: validation, dashed: training; the mean is that of each one's best weights so far", fontsize=9
    )
    axes.legend(frameon=False, fontsize=8, ncols=2)
    tidy(axes)
    return save(figure, path)


def plot_runs(
    histories: Mapping[str, History], quantity: str = "loss", epochs: bool = True, path: PathLike | None = None
) -> Figure:
    """Learning curves of many trainings in one picture: solid validation, dashed training, the best epoch a dot.

    Parameters
    ----------
    histories : dict of str to History
        The trainings by name.
    quantity : str
        What is compared: 'loss', or the name of a metric.
    epochs : bool
        Over epochs; False: over the seconds of the training, each epoch counted alike.
    path : str or path, optional
        Where to write the picture.

    Raises
    ------
    HandsonError
        When no training measured the quantity.
    """
    known = sorted({name.removeprefix("val_") for each in histories.values() for name in each.history})
    if quantity not in known:
        raise HandsonError(f"no run measured {quantity!r}.{nearest(quantity, known)} Measured: {listing(known)}.")
    figure = Figure(figsize=(8.2, 4.6), layout="constrained")
    axes = figure.subplots()
    drawn = []
    for colour, (name, history) in zip(distinct(len(histories)), histories.items(), strict=True):
        drawn += _draw_run(axes, history, quantity, epochs, colour, printable(name))
    scale(axes, drawn)
    whole_epochs(axes) if epochs else axes.set_xlabel("seconds")
    axes.set_ylabel(quantity.replace("_", " "), parse_math=False)
    axes.set_title("solid: validation, dashed: training, dot: the best epoch", fontsize=9)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8)
    tidy(axes)
    return save(figure, path)


def _more_is_better(quantity: str) -> bool:
    try:
        named = "binary_accuracy" if quantity in ("acc", "accuracy") else quantity
        return metrics.get(named).direction == "max"
    except HandsonError:  # a loss of an output, or a metric of one's own
        return False


def _draw_run(axes: Axes, history: History, quantity: str, epochs: bool, colour: Any, name: str) -> list[list[float]]:
    """The curves of one training; what was drawn."""
    count = len(history.epoch)
    x = np.array(history.epoch) + 1.0 if epochs else np.arange(1, count + 1) * history.seconds / max(count, 1)
    nothing = [float("nan")] * count
    training, validation = (
        np.clip(history.history.get(key, nothing), -HIGHEST, HIGHEST) for key in (quantity, f"val_{quantity}")
    )
    shown = validation if np.isfinite(validation).any() else training
    higher = _more_is_better(quantity)
    label = name
    if np.isfinite(shown).any():
        best = int(np.nanargmax(shown) if higher else np.nanargmin(shown))
        axes.plot(x[best], shown[best], "o", color=colour, markersize=5)
        label = f"{name}: {shown[best]:.4g}"
    axes.plot(x, training, "--", color=colour, linewidth=1.0, alpha=0.65, label=None if shown is validation else label)
    if shown is validation:
        axes.plot(x, validation, color=colour, linewidth=1.7, label=label)
    return [training.tolist(), validation.tolist()]
