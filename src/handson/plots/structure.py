"""A net as a picture: its layers as boxes, and what flows between them as arrows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

from handson.core import tree
from handson.core.errors import HandsonError
from handson.graph import Graph, Node
from handson.graph.patterns import expanded

# Inches that a box takes.
WIDE, HIGH = 2.8, 1.0


class Shown(NamedTuple):
    """What a box says besides the kind of its layer."""

    shapes: bool
    dtypes: bool
    names: bool
    activations: bool
    trainable: bool


def plot_model(
    model: Any,
    to_file: str | PathLike[str] | None = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:
    """Draw a net with matplotlib.

    Parameters
    ----------
    model : Model
        A built net.
    to_file : str, optional
        The picture's file; None for none.
    show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable : bool
        What boxes say besides the kinds of layers.
    rankdir : {'TB', 'LR'}
        From top to bottom, or from left to right.
    expand_nested : bool
        Whether nets inside of the net are drawn layer by layer.
    dpi : int
        Pixels per inch.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from handson import Sequential
    >>> from handson.layers import Dense
    >>> figure = plot_model(Sequential([Dense(2, input_dim=3)]), to_file=None)
    >>> figure.axes[0].texts[0].get_text()
    'Dense'
    """
    if rankdir not in ("TB", "LR"):
        raise HandsonError(f"plot_model: rankdir is 'TB', from top to bottom, or 'LR'; got {rankdir!r}.")
    graph = getattr(model, "whole_graph", None)
    if not isinstance(graph, Graph):
        raise HandsonError(
            "plot_model draws nets that are a graph of layers and are built: give the first layer an input_shape, call "
            "build, or write the net as Model(inputs, outputs)."
        )
    graph = expanded(graph) if expand_nested else graph
    shown = Shown(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    return _figure(graph, shown, rankdir == "LR", to_file, dpi)


def model_to_dot(model: Any, *args: Any, **kwargs: Any) -> Any:
    """Not here: `plot_model` draws with matplotlib and needs no graphviz."""
    raise HandsonError("handson writes no dot files: plot_model(model, 'model.png') draws the net with matplotlib.")


def _figure(graph: Graph, shown: Shown, across: bool, to_file: Any, dpi: int) -> Any:
    from matplotlib.figure import Figure

    from handson.plots.style import save

    nodes = {node.number: node for node in (*graph.starts, *graph.nodes)}
    labels = {number: _label(node, shown) for number, node in nodes.items()}
    before = {number: [one.node.number for one in node.inputs if one.node] for number, node in nodes.items()}
    return save(draw_boxes(Figure(dpi=dpi), labels, before, across), to_file, dpi)


def draw_boxes(
    figure: Any, labels: Mapping[int, str], before: Mapping[int, Iterable[int]], across: bool = False
) -> Any:
    """Boxes with texts, and arrows between them.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        An empty figure, which gets the size that they need.
    labels : mapping of int to str
        The text of each box by its number, each box after those that come before it.
    before : mapping of int to iterable of int
        The boxes from which arrows lead to each; others than those of `labels` are left out.
    across : bool
        From left to right in place of from top to bottom.
    """
    arrows = {number: [one for one in before[number] if one in labels] for number in labels}
    places = _places(arrows)
    levels = max(level for level, _ in places.values()) + 1
    breadth = max(abs(place) for _, place in places.values()) * 2 + 1
    figure.set_size_inches((levels * WIDE, breadth * HIGH * 1.5) if across else (breadth * WIDE, levels * HIGH))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    half = breadth / 2 + 0.1
    limits = (-0.6, levels - 0.4), (-half, half)
    axes.set(xlim=limits[0] if across else limits[1], ylim=limits[1] if across else limits[0][::-1])
    at = {number: (level, place) if across else (place, level) for number, (level, place) in places.items()}
    box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": "0.2"}
    centred: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9, "bbox": box}
    boxes = {number: axes.text(*at[number], text, **centred).get_bbox_patch() for number, text in labels.items()}
    figure.draw_without_rendering()  # boxes have no size before
    for number, sources in arrows.items():
        for source in sources:
            ends = {"patchA": boxes[source], "patchB": boxes[number]}
            arrow = {"arrowstyle": "->", "color": "0.4", "shrinkA": 0, "shrinkB": 2, **ends}
            # Above the boxes, so that these have their final places when arrows are cut at them.
            axes.annotate("", at[number], at[source], arrowprops=arrow, zorder=4)
    return figure


def _places(before: Mapping[int, Sequence[int]]) -> dict[int, tuple[float, float]]:
    """For each box how far down it is, and where in its line, 0 in the middle."""
    levels: dict[int, int] = {}
    lines: dict[int, list[int]] = defaultdict(list)
    for number, sources in before.items():
        levels[number] = max((levels[one] for one in sources if one in levels), default=-1) + 1
        lines[levels[number]].append(number)
    return {
        number: (level, place - (len(line) - 1) / 2)
        for level, line in lines.items()
        for place, number in enumerate(line)
    }


def _label(node: Node, shown: Shown) -> str:
    layer: Any = node.function
    kind = type(layer).__name__ if hasattr(layer, "weights") else getattr(layer, "__name__", type(layer).__name__)
    lines = [kind]
    if shown.names and getattr(layer, "name", None):
        lines[0] = f"{layer.name} ({kind})"
    activation = getattr(layer, "_arguments", {}).get("activation")
    if shown.activations and activation is not None:
        lines.append(f"activation: {getattr(activation, '__name__', activation)}")
    outputs = tree.leaves(node.outputs)
    if shown.shapes:
        lines.append(", ".join(str(one.shape) for one in outputs))
    if shown.dtypes:
        lines.append(", ".join(str(one.dtype).removeprefix("torch.") for one in outputs))
    if shown.trainable and getattr(layer, "weights", None):
        lines.append("trainable" if getattr(layer, "trainable", True) else "frozen")
    return "\n".join(lines)
