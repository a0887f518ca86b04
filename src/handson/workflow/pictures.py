"""Pictures of runs: what `handson plot` draws."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handson.core.errors import HandsonError, listing, nearest
from handson.data.reading.dataset import Dataset
from handson.data.reading.keypoints import find_points
from handson.monitoring.journal import Journal
from handson.workflow.runs import Run, probabilities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from handson.models import Model

# Images that are explained, images whose predictions are shown, and rows of tables that are explained.
EXPLAINED, SHOWN, ROWS = 4, 24, 512
ALL = "all"


class Shown:
    """What can be drawn of a run; read when it is needed.

    Parameters
    ----------
    run : Run
        The run, which may still be trained.
    data : str or path, optional
        Data with targets; by default the validation rows of the run, or all of its rows if it has none.
    """

    def __init__(self, run: Run, data: str | os.PathLike[str] | None = None) -> None:
        self.run, self.path = run, data

    @cached_property
    def journal(self) -> Journal:
        """What was seen inside the net."""
        return Journal.read(self.run.folder)

    @cached_property
    def net(self) -> Model:
        """The trained net."""
        return self.run.net()

    @cached_property
    def whole(self) -> Dataset:
        """All rows of the data."""
        return self.run.read_data(self.path)

    @cached_property
    def rows(self) -> Dataset:
        """The rows that predictions are shown of."""
        held_out = None if self.path is not None else self.run.split(self.whole, verbose=0)[1]
        return self.whole if held_out is None else held_out

    @cached_property
    def predicted(self) -> np.ndarray:
        """The predictions for these rows; of classes, probabilities."""
        return probabilities(self.net, self.net.predict(self.rows.inputs))

    @property
    def inputs(self) -> np.ndarray:
        """The inputs of these rows in memory."""
        return np.asarray(self.rows.inputs)

    @property
    def explained(self) -> tuple[np.ndarray, list[str] | None]:
        """A few images with their classes, or rows of a table with the names of its columns."""
        rows = self.rows
        if rows.kind != "images":
            return self.inputs[:ROWS], rows.input_names or None
        chosen = rows.rows(np.arange(min(EXPLAINED, len(rows))))
        named = chosen.classes is not None and chosen.targets is not None
        labels = chosen.targets.tolist() if named else []  # type: ignore[union-attr]
        titles = [chosen.classes[label] if label >= 0 else "?" for label in labels] if named else None  # type: ignore[index]
        return np.asarray(chosen.inputs), titles


class Picture(NamedTuple):
    """A kind of picture.

    Attributes
    ----------
    draw : function of a Shown
        Gives the figure.
    needs : tuple of str
        The names in `NEEDS` of what must be there.
    """

    draw: Callable[[Shown], Figure]
    needs: tuple[str, ...] = ()


def draw(
    run: Run, what: Sequence[str] = ("curves",), data: str | os.PathLike[str] | None = None, out: Path | None = None
) -> list[Path]:
    """Draw pictures of a run, into its folder or another one; ``("all",)`` for all that it can be drawn.

    Returns
    -------
    list of Path
        The pictures, each named after what it shows.

    Raises
    ------
    HandsonError
        For a picture that there is not, or that cannot be drawn of this run.
    """
    from handson.plots import save

    shown, folder = Shown(run, data), run.folder if out is None else out
    for name in what:
        if name != ALL and name not in PICTURES:
            known = listing(PICTURES, len(PICTURES))
            raise HandsonError(f"no picture shows {name!r}.{nearest(name, PICTURES)} There are: {known}.")
    names = [name for name in PICTURES if not _missing(shown, name)] if ALL in what else list(what)
    paths = []
    for name in names:
        missing = _missing(shown, name)
        if missing:
            raise HandsonError(f"--what {name} needs {missing}.")
        paths.append(folder / f"{name}.png")
        save(PICTURES[name].draw(shown), paths[-1])
    return paths


def draw_runs(runs: Sequence[Run], out: Path) -> Path:
    """Draw the learning curves of several runs into one picture."""
    from handson.plots import plot_runs

    folders = [run.folder for run in runs]
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    plot_runs(dict(zip(names, [run.history() for run in runs], strict=True)), path=out)
    return out


def _missing(shown: Shown, name: str) -> str:
    """What a picture needs that this run has not, in words; empty where it has all."""
    return next((NEEDS[need][1] for need in PICTURES[name].needs if not NEEDS[need][0](shown)), "")


def _curves(shown: Shown) -> Figure:
    return shown.run.history().plot()


def _inside(function: str) -> Callable[[Shown], Figure]:
    def drawn(shown: Shown) -> Figure:
        from handson import plots

        figure: Figure = getattr(plots, function)(shown.journal)
        return figure

    return drawn


def _explained(function: str) -> Callable[[Shown], Figure]:
    def drawn(shown: Shown) -> Figure:
        from handson import plots

        x, titles = shown.explained
        figure: Figure = getattr(plots, function)(shown.net, x, titles=titles)
        return figure

    return drawn


def _weights(shown: Shown) -> Figure:
    from handson.plots import plot_weights

    return plot_weights(shown.net)


def _activity(shown: Shown) -> Figure:
    from handson.plots import plot_activity

    return plot_activity(shown.net, shown.inputs[: 1 if shown.rows.kind == "images" else 64])


def _graph(shown: Shown) -> Figure:
    from handson.plots import plot_model
    from handson.plots.style import DPI

    # Arrows end where boxes are at this resolution, in which it is saved.
    figure: Figure = plot_model(shown.net, None, show_shapes=True, show_layer_names=True, dpi=DPI)
    return figure


def _predictions(shown: Shown) -> Figure:
    from handson.plots import plot_keypoints, plot_predictions

    rows = np.unique(np.linspace(0, len(shown.rows) - 1, SHOWN).astype(int))
    images, predicted, targets = shown.inputs[rows], shown.predicted[rows], np.asarray(shown.rows.targets)[rows]
    if shown.rows.task == "classification":
        return plot_predictions(images, predicted, targets, shown.rows.classes)
    return plot_keypoints(images, predicted, targets, find_points(shown.rows.target_names))


def _worst(shown: Shown) -> Figure:
    from handson.plots import plot_worst

    points = find_points(shown.rows.target_names) if shown.rows.task == "regression" else None
    truth = np.asarray(shown.rows.targets)
    return plot_worst(shown.inputs, shown.predicted, truth, shown.rows.classes, points)


def _confusion(shown: Shown) -> Figure:
    from handson.plots import plot_confusion

    return plot_confusion(shown.rows.targets, shown.predicted, shown.rows.classes)


def _calibration(shown: Shown) -> Figure:
    from handson.plots import plot_calibration

    return plot_calibration(shown.rows.targets, shown.predicted)


def _residuals(shown: Shown) -> Figure:
    from handson.plots import plot_residuals

    return plot_residuals(shown.rows.targets, shown.predicted, shown.rows.target_names)


def _embedding(method: str) -> Callable[[Shown], Figure]:
    def drawn(shown: Shown) -> Figure:
        from handson.attributions import layer_output
        from handson.monitoring.probes import probed_layers
        from handson.plots import plot_embedding

        rows, names = shown.rows, list(probed_layers(shown.net))
        features = shown.inputs if len(names) < 2 else layer_output(shown.net, shown.inputs, names[-2])
        labels = None if rows.targets is None else np.asarray(rows.targets)
        labels = labels if labels is None or labels.ndim == 1 else labels[:, 0]
        return plot_embedding(features, labels, rows.classes, method)

    return drawn


def _missing_values(shown: Shown) -> Figure:
    from handson.plots import plot_missing

    data = shown.whole
    parts = [(np.asarray(data.inputs), data.input_names)] if data.kind == "table" else []
    if data.task == "regression":
        parts.append((np.asarray(data.targets), data.target_names))
    elif data.targets is not None:
        labels = np.where(np.asarray(data.targets) < 0, np.nan, np.asarray(data.targets))
        parts.append((labels[:, None], data.target_names or ["class"]))
    values = [part.reshape(len(part), -1) for part, _ in parts]
    names = [name for _, known in parts for name in known]
    names = names if len(names) == sum(part.shape[1] for part in values) else None  # type: ignore[assignment]
    return plot_missing(np.concatenate(values, 1), names)


# What pictures need: whether a run has it, and what it is in words.
NEEDS: dict[str, tuple[Callable[[Shown], bool], str]] = {
    "journal": (
        lambda shown: (shown.run.folder / Journal.file).is_file(),
        "a monitored run: handson fit --monitor",
    ),
    "images": (lambda shown: shown.rows.kind == "images", "images"),
    "maps": (lambda shown: any(weight.dim() == 4 for weight in shown.net.parameters()), "a convolution of images"),
    "classes": (lambda shown: shown.rows.task == "classification", "targets that are classes"),
    "values": (lambda shown: shown.rows.task == "regression", "targets that are values"),
}
PICTURES: dict[str, Picture] = {
    "curves": Picture(_curves),
    "activations": Picture(_inside("plot_activations"), ("journal",)),
    "gradients": Picture(_inside("plot_gradients"), ("journal",)),
    "updates": Picture(_inside("plot_updates"), ("journal",)),
    "graph": Picture(_graph),
    "weights": Picture(_weights),
    "activity": Picture(_activity),
    "saliency": Picture(_explained("plot_saliency")),
    "integrated_gradients": Picture(_explained("plot_integrated_gradients")),
    "occlusion": Picture(_explained("plot_occlusion")),
    "grad_cam": Picture(_explained("plot_grad_cam"), ("images", "maps")),
    "pca": Picture(_embedding("pca")),
    "tsne": Picture(_embedding("tsne")),
    "predictions": Picture(_predictions, ("images",)),
    "worst": Picture(_worst, ("images",)),
    "confusion": Picture(_confusion, ("classes",)),
    "calibration": Picture(_calibration, ("classes",)),
    "residuals": Picture(_residuals, ("values",)),
    "missing": Picture(_missing_values),
}
