"""How many labelled faces does a net save that has seen faces before?

    npm pack @vladmandic/face-api@1.7.15
    tar xzf vladmandic-face-api-1.7.15.tgz
    python examples/face_landmarks.py package/model faces.npz

The package (MIT licence) holds a net that finds 68 points of a face, with weights in 8 bits. It is built here of layers
of handson, given these weights, and asked for the 15 keypoints of other pictures: with a new last layer alone (frozen),
and with all of its layers at smaller rates (fine-tuned). Beside it a small net is trained from scratch, for more steps.

Printed is the root mean square error in pixels on people none of whose pictures were seen, for so many labelled faces.
`faces.npz` has `images`, uint8 of shape (n, 96, 96), `landmarks`, (n, 30) in pixels, NaN where one is missing, and
`groups`, the number of the person.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch

from handson import Model, Sequential, optimizers
from handson.applications.preparation import kernel_for_bands
from handson.layers import (
    Add,
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
    ReLU,
    Rescaling,
    Resizing,
    SeparableConv2D,
)

MANIFEST = "face_landmark_68_model-weights_manifest.json"
# What the net was trained on: the side of its images, and their mean in red, green and blue.
SIDE, MEAN = 112, (122.782, 117.001, 104.298)
FACES = (10, 30, 100, 300, 650)
SEEDS = 2


def read_weights(folder: Path, manifest: str = MANIFEST) -> dict[str, np.ndarray]:
    """The arrays of a net of TensorFlow.js by name: numbers of 8 bits stand for min + scale * number."""
    found = {}
    for group in json.loads((folder / manifest).read_text()):
        values = np.concatenate([np.fromfile(folder / path, np.uint8) for path in group["paths"]])
        place = 0
        for entry in group["weights"]:
            size, bits = math.prod(entry["shape"]), entry["quantization"]
            numbers = values[place : place + size].astype(np.float32) * bits["scale"] + bits["min"]
            found[entry["name"]] = numbers.astype(np.float32).reshape(entry["shape"])
            place += size
        if place != len(values):
            raise ValueError(f"{manifest} describes {place} bytes, and there are {len(values)}.")
    return found


def block(x: object, number: int, filters: int) -> object:
    """Four convolutions, the first with stride 2; each takes the sum of what those before it gave."""
    kind = Conv2D if number == 0 else SeparableConv2D
    outputs = [ReLU()(kind(filters, 3, strides=2, padding="same", name=f"dense{number}_conv0")(x))]
    for place in (1, 2, 3):
        before = outputs[0] if place == 1 else ReLU()(Add()(outputs))
        outputs.append(SeparableConv2D(filters, 3, padding="same", name=f"dense{number}_conv{place}")(before))
    return ReLU()(Add()(outputs))


def landmark_net(bands: int = 1, side: int = 96) -> Model:
    """The net of 68 points, for gray or colour images of 0 to 255; it gives x and y of each as shares of the side."""
    image = Input((side, side, bands))
    x = Resizing(SIDE, SIDE)(image) if side != SIDE else image
    mean = list(MEAN) if bands == 3 else [sum(MEAN) / 3] * bands
    x = Rescaling(1 / 255, [-value / 255 for value in mean])(x)
    for number, filters in enumerate((32, 64, 128, 256)):
        x = block(x, number, filters)
    return Model(image, Dense(136, name="fc")(GlobalAveragePooling2D()(x)), name="landmarks")


def with_weights(net: Model, weights: dict[str, np.ndarray]) -> Model:
    """A net of 68 points with the weights of the package; the first kernel is adapted to the bands of its images."""
    for name in {name.rpartition("/")[0] for name in weights}:
        held = [value for key, value in weights.items() if key.rpartition("/")[0] == name]
        layer = net.get_layer(name.replace("/", "_"))
        bands = layer.get_weights()[0].shape[2] if name == "dense0/conv0" else 3
        if bands != 3:
            held[0] = kernel_for_bands(torch.tensor(held[0]), bands).numpy()
        layer.set_weights(held)
    return net


def headed(body: Model, rate: float, seed: int) -> Sequential:
    """The net with a new last layer, for 15 keypoints in pixels; it starts with all of them in the middle."""
    head = [Rescaling(2.0, -1.0), Dense(30, kernel_initializer="zeros", name="keypoints")]
    net = Sequential([body, *head], seed=seed)
    net.compile(optimizers.Adam(rate), "mse", scale_targets={"shift": 48, "scale": 48})
    return net


def small_net(seed: int) -> Sequential:
    """A net from scratch: three convolutions and two dense layers, on images of half the size."""
    layers = [Input((96, 96, 1)), AveragePooling2D(2), Rescaling(1 / 127.5, -1.0)]
    for filters in (32, 64, 128):
        layers += [Conv2D(filters, 3, activation="relu"), MaxPooling2D()]
    net = Sequential([*layers, Flatten(), Dense(256, "relu"), Dense(30)], seed=seed)
    net.compile(optimizers.Adam(1e-3), "mse", scale_targets={"shift": 48, "scale": 48})
    return net


def error(net: Model, x: np.ndarray, y: np.ndarray) -> float:
    """The root mean square error over the keypoints that are known, in pixels."""
    return float(np.sqrt(np.nanmean((net.predict(x) - y) ** 2)))


def epochs_for(steps: int, rows: int, batch: int = 16) -> int:
    """Epochs of about so many steps, two at least."""
    return max(2, round(steps / math.ceil(rows / batch)))


def compared(weights: dict[str, np.ndarray], train: tuple, test: tuple, seed: int) -> dict[str, float]:
    """The errors of the three nets."""
    rows, how = len(train[0]), {"batch_size": 16, "verbose": 0, "seed": seed}
    scratch = small_net(seed)
    scratch.fit(*train, epochs=epochs_for(1000, rows), **how)
    net = headed(with_weights(landmark_net(), weights), 3e-3, seed)
    net.fine_tune(*train, epochs=(epochs_for(300, rows), 0), **how)
    frozen = error(net, *test)
    # The head is no longer new: it is the last layer, and the second phase is all that is left.
    net.fine_tune(*train, epochs=(0, epochs_for(150, rows)), head=1, learning_rate=3e-4, layer_decay=0.95, **how)
    return {"from scratch": error(scratch, *test), "frozen": frozen, "fine-tuned": error(net, *test)}


def main(folder: str, faces: str) -> None:
    weights = read_weights(Path(folder))
    with np.load(faces) as data:
        images, landmarks, groups = data["images"][..., None], data["landmarks"], data["groups"]
    rng = np.random.default_rng(0)
    people = rng.permutation(np.unique(groups))
    held_out = np.isin(groups, people[: len(people) // 4])
    test = images[held_out], landmarks[held_out]
    order = rng.permutation(np.flatnonzero(~held_out & ~np.isnan(landmarks).any(1)))
    print(
        f"{held_out.sum()} faces of {len(people) // 4} people to test on; means of {SEEDS} trainings, half their range"
    )
    print(f"{'labelled faces':>16}{'from scratch':>16}{'frozen':>16}{'fine-tuned':>16}", flush=True)
    for count in [count for count in FACES if count <= len(order)]:
        found = []
        for seed in range(SEEDS):
            rows = np.roll(order, -seed * count)[:count]
            found.append(compared(weights, (images[rows], landmarks[rows]), test, seed))
        shown = (np.array([one[name] for one in found]) for name in found[0])
        print(f"{count:16}" + "".join(f"{one.mean():10.2f} ±{np.ptp(one) / 2:4.2f}" for one in shown), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
