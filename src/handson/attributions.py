"""Which inputs a net looks at: saliency, integrated gradients, occlusion, Grad-CAM; and what a layer puts out.

All of them explain one number for each row, its score: the output that was chosen (`target`), before a final softmax or
sigmoid where there is one, whose slopes die when the net is sure. Inputs are in the user's units, nets in evaluation
mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handson.core import tree
from handson.core.errors import HandsonError, listing, nearest, whole
from handson.graph.logits import logits_of
from handson.layers.base import Layer
from handson.layers.rnn import Recurrent
from handson.monitoring.probes import probed_layers

# Rows at a time.
CHUNK = 64
Target = int | Sequence[int] | np.ndarray | None
Output = int | str | None


def saliency(net: nn.Module, x: Any, target: Target = None, *, output: Output = None) -> np.ndarray:
    """The slope of the score with respect to every input (Simonyan, Vedaldi and Zisserman, 2013).

    Parameters
    ----------
    net : Model or torch.nn.Module
        A net with one input of floats.
    x : array, shape (n, ...)
        Rows, as the net takes them.
    target : int or array of int, shape (n,), optional
        The output whose score is explained, one for all rows or one for each: a class, or a column of the targets. By
        default each row's largest output.
    output : int or str, optional
        The output that is explained, of a net with several: its number, or its name.

    Returns
    -------
    ndarray of float32, of the shape of `x`
        Positive where more would raise the score.

    Examples
    --------
    >>> saliency(nn.Linear(2, 1), np.zeros((3, 2))).shape
    (3, 2)
    """
    return _by_chunk(net, x, target, output, _slopes)


def integrated_gradients(
    net: nn.Module, x: Any, target: Target = None, baseline: Any = 0.0, steps: int = 32, *, output: Output = None
) -> np.ndarray:
    """What each input adds to the score, on the straight way from a baseline (Sundararajan, Taly and Yan, 2017).

    The sum over the inputs of a row is its score less that of the baseline, up to the error of the integration.

    Parameters
    ----------
    net, x, target, output
        See `saliency`.
    baseline : float or array, of the shape of one row
        Inputs that say nothing, such as a black image.
    steps : int
        Points of the integration (Gauss and Legendre's).

    Returns
    -------
    ndarray of float32, of the shape of `x`
        In units of the score.

    Examples
    --------
    >>> net = nn.Linear(2, 1)
    >>> parts = integrated_gradients(net, np.ones((1, 2)))
    >>> bool(np.allclose(parts.sum(), (net(torch.ones(1, 2)) - net(torch.zeros(1, 2))).item(), atol=1e-6))
    True
    """
    points, weights = np.polynomial.legendre.leggauss(whole("integrated_gradients: steps", steps, 1))

    def integrated(scored: _Scored, rows: Tensor, column: Tensor) -> Tensor:
        start = _for_each(rows, baseline, "integrated_gradients: baseline")
        total = torch.zeros_like(rows)
        for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
            total += weight * _slopes(scored, start + point * (rows - start), column)
        return total * (rows - start)

    return _by_chunk(net, x, target, output, integrated)


def occlusion(
    net: nn.Module, x: Any, target: Target = None, size: int | None = None, stride: int | None = None,
    value: Any = None, *, output: Output = None,
) -> np.ndarray:  # fmt: skip
    """How much the score falls when a part of the input is covered (Zeiler and Fergus, 2014).

    Parameters
    ----------
    net, target, output
        See `saliency`.
    x : array, shape (n, features), (n, steps, channels) or (n, height, width, channels)
        Rows; channels are covered together.
    size : int, optional
        The side of the window that covers; by default about a fifth of the shortest side, of tables 1.
    stride : int, optional
        How far the window moves; by default a third of its size.
    value : float or array, of the shape of one row, optional
        What covers; by default the mean of the rows, which is no id: for ids of words or classes, give one.

    Returns
    -------
    ndarray of float32, shape (n, features), (n, steps) or (n, height, width)
        The mean fall of the score over the windows that cover each place.

    Examples
    --------
    >>> net = nn.Linear(3, 1, bias=False)
    >>> with torch.no_grad(): _ = net.weight.copy_(torch.tensor([[0.0, 2.0, 0.0]]))
    >>> occlusion(net, np.ones((1, 3)), value=0.0).tolist()
    [[0.0, 2.0, 0.0]]
    """
    sides = np.shape(x)[1:2] if np.ndim(x) == 2 else np.shape(x)[1:-1]
    size = whole("occlusion: size", (1 if np.ndim(x) == 2 else max(1, min(sides) // 5)) if size is None else size, 1)
    stride = whole("occlusion: stride", max(1, size // 3) if stride is None else stride, 1)
    cover = np.mean(np.asarray(x, np.float32), 0) if value is None else value

    def covered(scored: _Scored, rows: Tensor, column: Tensor) -> Tensor:
        over = _for_each(rows, cover, "occlusion: value")
        before = scored(rows, column)
        fall, count = rows.new_zeros(len(rows), *sides), rows.new_zeros(sides)
        for window in _windows(sides, size, stride):
            place = (slice(None), *window)
            hidden = rows.clone()
            hidden[place] = over[place]
            fall[place] += (before - scored(hidden, column)).reshape(-1, *[1] * len(sides))
            count[window] += 1
        return fall / count

    with torch.no_grad():
        return _by_chunk(net, x, target, output, covered)


def grad_cam(net: nn.Module, x: Any, target: Target = None, layer: Any = None, *, output: Output = None) -> np.ndarray:
    """Where in an image the score comes from, as seen by a convolution (Selvaraju et al., 2017).

    The channels of the layer's output are weighted with the mean slope of the score with respect to each, added up, cut
    at 0, and resized to the image.

    Parameters
    ----------
    net, target, output
        See `saliency`.
    x : array, shape (n, height, width, channels)
        Images; of a torch.nn.Module as it takes them, (n, channels, height, width).
    layer : str or nn.Module, optional
        Whose output; by default the last that gives images.

    Returns
    -------
    ndarray of float32, shape (n, height, width)
        Not negative; 0 where nothing speaks for the target.
    """
    if np.ndim(x) != 4:
        raise HandsonError(f"grad_cam is for images, (n, height, width, channels); got the shape {np.shape(x)}.")
    own = isinstance(net, Layer)
    place = _last_of_images(net, x) if layer is None else find_layer(net, layer)
    first = not isinstance(place, Layer) or not getattr(place, "last", True)
    sides = np.shape(x)[1:3] if own else np.shape(x)[2:4]

    def weighed(scored: _Scored, rows: Tensor, column: Tensor) -> Tensor:
        with _outputs_of(place) as outputs, torch.enable_grad():
            score = scored(rows, column).sum()
        if not outputs or outputs[-1].dim() != 4:
            raise HandsonError(f"grad_cam: {type(place).__name__} gives no images; choose a convolution.")
        (slopes,) = torch.autograd.grad(score, outputs[-1])
        maps, slopes = (leaf if first else leaf.movedim(-1, 1) for leaf in (outputs[-1].detach(), slopes))
        heat = (slopes.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
        return nn.functional.interpolate(heat, tuple(sides), mode="bilinear", align_corners=False)[:, 0]

    return _by_chunk(net, x, target, output, weighed)


def layer_output(net: nn.Module, x: Any, layer: Any) -> np.ndarray:
    """What a layer inside a net puts out for some rows, in evaluation mode.

    Parameters
    ----------
    net : Model or torch.nn.Module
        A net with one input.
    x : array, shape (n, ...)
        Rows.
    layer : str or nn.Module
        The layer, or its name.

    Returns
    -------
    ndarray, shape (n, ...)

    Examples
    --------
    >>> layer_output(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), np.ones((4, 2)), "1").shape
    (4, 3)
    """
    place = find_layer(net, layer)

    def outputs(scored: _Scored, rows: Tensor, column: Tensor) -> Tensor:
        with _outputs_of(place) as found:
            scored.outputs(rows)
        if not found:
            raise HandsonError(f"layer_output: the net does not call {layer!r}.")
        return found[-1]

    with torch.no_grad():
        return _by_chunk(net, x, 0, 0, outputs)


def find_layer(net: nn.Module, layer: Any) -> nn.Module:
    """A layer of a net, or the one of a name.

    Raises
    ------
    HandsonError
        When there is none; the message gives the nearest name.
    """
    if any(part is layer for part in net.modules()):
        return layer
    known = {name: part for name, part in net.named_modules() if name}
    names = list(probed_layers(net))
    if layer not in known:
        raise HandsonError(f"the net has no layer {layer!r}.{nearest(str(layer), known)} Layers: {listing(names)}.")
    return known[layer]


class _Scored:
    """The scores of rows: what the functions above explain."""

    def __init__(self, net: nn.Module, output: Output) -> None:
        self.net, self.output = net, output
        self.device = next((weight.device for weight in net.parameters()), torch.device("cpu"))
        scaling = getattr(net, "input_scaling", None)
        self.scaling = None if scaling is None else scaling.to(self.device)
        # Dates, say, whose digits a scaling needs.
        self.type = np.float64 if scaling is not None and scaling.needs_double else np.float32

    def outputs(self, rows: Tensor) -> Tensor:
        """The outputs, (n, columns), before a final softmax or sigmoid."""
        scaled = rows if self.scaling is None else self.scaling.apply(rows)
        found = self._chosen(tree.leaves(self.net(scaled)))
        for activation in ("softmax", "sigmoid"):
            logits = logits_of(found, activation)
            found = found if logits is None else logits
        return found.reshape(len(rows), -1)

    def _chosen(self, outputs: list[Tensor]) -> Tensor:
        """The output that is explained."""
        names = getattr(self.net, "output_names", [])
        if self.output is None and len(outputs) == 1:
            return outputs[0]
        place = names.index(self.output) if self.output in names else self.output
        if not isinstance(place, int) or not 0 <= place < len(outputs):
            known = f"0 to {len(outputs) - 1}" + (f", or its name: {listing(names)}" if names else "")
            raise HandsonError(
                f"the net has {len(outputs)} outputs. Say which is explained, output=...: its number, {known}; got "
                f"{self.output!r}.{nearest(str(self.output), names)}"
            )
        return outputs[place]

    def __call__(self, rows: Tensor, column: Tensor) -> Tensor:
        """The score of each row."""
        return self.outputs(rows).gather(1, column[:, None])[:, 0]

    def columns(self, rows: Tensor, target: Target, part: slice) -> Tensor:
        """Which output of each row is explained."""
        with torch.no_grad():
            outputs = self.outputs(rows)
        if target is None:
            return outputs.argmax(1)
        chosen = np.asarray(target)
        chosen = np.broadcast_to(chosen, len(rows)) if chosen.ndim == 0 else chosen[part]
        known = chosen.shape == (len(rows),) and chosen.dtype.kind in "iu"
        if not known or not ((chosen >= 0) & (chosen < outputs.shape[1])).all():
            raise HandsonError(
                f"target is the number of an output, 0 to {outputs.shape[1] - 1}, for all rows or one for each; got "
                f"{target!r}."
            )
        return torch.tensor(chosen, dtype=torch.int64, device=rows.device)


def _for_each(rows: Tensor, values: Any, what: str) -> Tensor:
    """A number, or values of the shape of one row, for each of some rows."""
    found = torch.as_tensor(values, dtype=rows.dtype, device=rows.device)
    if found.shape not in ((), rows.shape[1:]):
        raise HandsonError(
            f"{what} is a number, or has the shape of one row, {tuple(rows.shape[1:])}; got {tuple(found.shape)}."
        )
    return found.expand_as(rows)


def _slopes(scored: _Scored, rows: Tensor, column: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = rows.detach().requires_grad_()
        score = scored(leaf, column).sum()
        slopes = torch.autograd.grad(score, leaf, allow_unused=True)[0] if score.requires_grad else None
    if slopes is None:
        raise HandsonError(
            "the score has no slope with respect to these inputs: are they ids of words or classes? Use occlusion."
        )
    return slopes


def _by_chunk(
    net: nn.Module, x: Any, target: Target, output: Output, explain: Callable[[_Scored, Tensor, Tensor], Tensor]
) -> np.ndarray:
    """What `explain` says of all rows, some at a time, while the net is in evaluation mode."""
    graph = getattr(net, "graph", None)
    if isinstance(x, dict) or (graph is not None and len(graph.entries) > 1):
        raise HandsonError("attributions are for nets with one input; this one has several.")
    values = np.asarray(x)
    if values.dtype.kind not in "fiub" or values.ndim < 2 or not len(values):
        raise HandsonError(f"expected rows of numbers, (n, ...); got {values.dtype} of the shape {values.shape}.")
    scored, found = _Scored(net, output), []
    with _evaluating(net):
        for first in range(0, len(values), CHUNK):
            part = slice(first, first + CHUNK)
            rows = torch.as_tensor(values[part].astype(scored.type), device=scored.device)
            column = scored.columns(rows, target, part)
            found.append(explain(scored, rows, column).detach().cpu().numpy())
    return np.concatenate(found)


def _windows(sides: Sequence[int], size: int, stride: int) -> Iterator[tuple[slice, ...]]:
    """Windows that cover everything, up to the far ends."""
    starts = [sorted({*range(0, max(side - size, 0) + 1, stride), max(side - size, 0)}) for side in sides]
    for corner in np.ndindex(*map(len, starts)):
        yield tuple(slice(at[place], at[place] + size) for at, place in zip(starts, corner, strict=True))


def _last_of_images(net: nn.Module, x: Any) -> nn.Module:
    """The last layer that gives images."""
    shapes: dict[str, int] = {}
    parts = probed_layers(net)
    handles = [
        part.register_forward_hook(lambda layer, inputs, output, name=name: shapes.update({name: np.ndim(output)}))
        for name, part in parts.items()
    ]
    try:
        _by_chunk(net, np.asarray(x)[:1], 0, 0, lambda scored, rows, column: rows)
    finally:
        for handle in handles:
            handle.remove()
    found = [name for name, dimensions in shapes.items() if dimensions == 4]
    if not found:
        raise HandsonError("grad_cam: no layer of this net gives images. Use saliency or occlusion.")
    return parts[found[-1]]


@contextmanager
def _outputs_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """What a layer puts out while this lasts."""
    found: list[Tensor] = []
    handle = layer.register_forward_hook(lambda layer, inputs, output: found.append(tree.leaves(output)[0]))
    try:
        yield found
    finally:
        handle.remove()


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    """While this lasts, the net is in evaluation mode."""
    modes = [(part, part.training) for part in net.modules()]
    recurrent = any(isinstance(part, (Recurrent, nn.RNNBase)) for part, _ in modes)
    net.eval()
    try:
        # The recurrent kernels of cuDNN have no backward pass in evaluation mode.
        with torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext():
            yield
    finally:
        for part, mode in modes:
            part.training = mode
