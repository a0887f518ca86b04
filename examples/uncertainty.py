"""How sure nets are of the periods of variable stars and of the classes of galaxies, and how sure they should be.

    python examples/uncertainty.py path/to/variable_stars.npz path/to/galaxies.npz uncertainty.png

Nets with four heads, and five of one kind together, predict log10 of the period (in days) from brightness, variability
and shape of the light curve; the rows are split into training, calibration and test. Printed for the test rows: the
root mean square error, NMAD (of the errors themselves), the CRPS in dex where quantiles at all levels are known, and
the share of targets in intervals of 68 and 95 per cent.
"""

from __future__ import annotations

import sys

import numpy as np
from matplotlib.figure import Figure

from handson import Sequential, deep_ensemble, metrics, optimizers
from handson.calibration import Conformal, calibrate
from handson.layers import Dense, EvidentialDensity, GaussianDensity, MixtureDensity, QuantileHead
from handson.plots import plot_levels, plot_reliability, plot_spread, save

COLUMNS = ["magnitude_b", "magnitude_r", "sigma_flux_b", "sigma_flux_r", "asym_b", "asym_r"]
LEVELS = [0.025, 0.05, 0.1587, 0.25, 0.5, 0.75, 0.8413, 0.95, 0.975]
HEADS = {
    "normal": (GaussianDensity, "nll"),
    "mixture of 5": (MixtureDensity, "nll"),
    "evidential": (EvidentialDensity, "evidential"),
    "quantiles": (lambda: QuantileHead(LEVELS), "pinball"),
}


def stars(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and log10 of the period, in a random order."""
    with np.load(path) as data:
        names = [str(name) for name in data["feature_columns"]]
        x = data["features"][:, [names.index(name) for name in COLUMNS]]
        x[:, 2:4] = np.log10(x[:, 2:4])
        order = np.random.default_rng(0).permutation(len(x))
        return x[order].astype("float32"), np.log10(data["period"])[order, None]


def galaxies(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Images of 16 by 16 pixels as rows, and their classes, in a random order."""
    with np.load(path) as data:
        images = data["images"].reshape(-1, 16, 4, 16, 4).mean((2, 4)).reshape(-1, 256)
        order = np.random.default_rng(0).permutation(len(images))
        return images[order].astype("float32"), data["labels"][order]


def net_of(head: object, loss: str, **scaling: str) -> Sequential:
    net = Sequential([Dense(64, activation="relu"), Dense(64, activation="relu"), head], seed=0)
    net.compile(optimizers.Adam(0.002), loss, scale_inputs="standard", **scaling)
    return net


def periods(x: np.ndarray, y: np.ndarray, train: slice, inner: slice, test: slice, axes: object) -> None:
    predictions, quantiles = {}, {}
    nets = {name: net_of(make(), loss, scale_targets="standard") for name, (make, loss) in HEADS.items()}
    settings = {"epochs": 30, "batch_size": 64, "verbose": 0}
    for net in nets.values():
        net.fit(x[train], y[train], **settings)
    nets["5 mixtures"] = deep_ensemble(nets["mixture of 5"], x[train], y[train], 5, seed=1, **settings)
    print(f"{'':14}{'rmse':>8}{'NMAD':>8}{'CRPS':>8}{'68 %':>8}{'95 %':>8}{'conformal 95 %':>16}")
    for name, net in nets.items():
        mean, _spread = predictions[name] = net.predict(x[test], spread=True)
        quantiles[name] = found = net.predict(x[test], quantiles=LEVELS)
        inside = [((y[test] > low) & (y[test] < high)).mean() for low, high in (found[[2, 6]], found[[0, 8]])]
        low, high = Conformal(net, x[inner], y[inner]).predict(x[test], 0.95)
        error = mean - y[test]
        row = [np.sqrt(np.mean(error**2)), float(metrics.NMAD(relative=False)(y[test], mean)), crps(net, x, y, test)]
        shown = "".join(f"{value:8.3f}" for value in (*row, *inside))
        print(f"{name:14}{shown}{((y[test] > low) & (y[test] < high)).mean():16.3f}")
    plot_spread(predictions, y[test], axes=axes[0])
    plot_levels(LEVELS, quantiles, y[test], axes=axes[1])


def crps(net: object, x: np.ndarray, y: np.ndarray, rows: slice) -> float:
    """From 200 samples of the predicted distribution: quantiles at levels evenly apart."""
    if isinstance(net, Sequential) and isinstance(net.layers[-1], QuantileHead):
        return float("nan")
    levels = (np.arange(200) + 0.5) / 200
    samples = net.predict(x[rows], quantiles=levels)[..., 0].T
    return float(metrics.CRPS("samples")(y[rows], samples))


def classes(x: np.ndarray, labels: np.ndarray, train: slice, inner: slice, test: slice, axes: object) -> None:
    net = net_of(Dense(6, activation="softmax"), "sparse_categorical_crossentropy")
    net.fit(x[train], labels[train], epochs=30, batch_size=64, verbose=0)
    before, loss = net.predict(x[test]), net.evaluate(x[test], labels[test])
    temperature = calibrate(net, x[inner], labels[inner])
    after, less = net.predict(x[test]), net.evaluate(x[test], labels[test])
    errors = [float(metrics.ExpectedCalibrationError(10)(labels[test], each)) for each in (before, after)]
    print(f"galaxies, temperature {temperature:.2f}: crossentropy {loss:.3f}, with it {less:.3f};", end=" ")
    print(f"calibration error {errors[0]:.3f}, with it {errors[1]:.3f}")
    plot_reliability({"as trained": before, f"temperature {temperature:.2f}": after}, labels[test], axes=axes)


def main(path_of_stars: str, path_of_galaxies: str, picture: str) -> None:
    figure = Figure(figsize=(13, 4.3), layout="constrained")
    axes = figure.subplots(1, 3)
    periods(*stars(path_of_stars), slice(0, 1400), slice(1400, 1900), slice(1900, None), axes[:2])
    classes(*galaxies(path_of_galaxies), slice(0, 3000), slice(3000, 4000), slice(4000, None), axes[2])
    save(figure, picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
