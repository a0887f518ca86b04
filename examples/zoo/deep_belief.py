"""The deep belief net: restricted Boltzmann machines on top of each other, each trained on what the one below says.

Hinton, Osindero and Teh (2006), Bengio et al. (2007). The weights that were found without labels are where a classifier
starts; with few labelled digits it goes further than one that starts from random weights.
"""

import itertools

import numpy as np
import page
from matplotlib.figure import Figure
from restricted_boltzmann_machine import RBM
from sklearn.datasets import load_digits

from handson import Sequential
from handson.layers import Dense
from handson.optimizers import SGD, Adam

SIZES, LABELLED = (64, 100, 60), 30


def pretrained(x, epochs):
    """Kernels and biases of layers, from machines that were trained one after another without labels."""
    weights = []
    for visible, hidden in itertools.pairwise(SIZES):
        machine = RBM(visible, hidden)
        machine.compile(SGD(0.1))
        machine.fit(x, epochs=epochs, batch_size=20, verbose=0)
        weights.append([machine.kernel.numpy(), machine.hidden_bias.numpy()])
        x = machine.predict(x)
    return weights


def classifier(seed, weights=None):
    """Two hidden layers and an output, started from weights if there are any."""
    net = Sequential([Dense(100, "sigmoid", input_dim=64), Dense(60, "sigmoid"), Dense(10, "softmax")], seed=seed)
    for layer, held in zip(net.layers, weights or [], strict=False):
        layer.set_weights(held)
    net.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def train(epochs=15, seeds=3):
    images, labels = load_digits(return_X_y=True)
    x, order = (images / 16).astype("float32"), np.random.default_rng(0).permutation(len(labels))
    few, rest = order[:LABELLED], order[LABELLED:]
    weights, scores = pretrained(x, epochs), {"with": [], "without": []}
    for name, start in (("with", weights), ("without", None)):
        for seed in range(seeds):
            net = classifier(seed, start)
            net.fit(x[few], labels[few], epochs=60, batch_size=20, verbose=0)
            scores[name].append(net.evaluate(x[rest], labels[rest])[1])
    means = {f"accuracy {name} pretraining": float(np.mean(values)) for name, values in scores.items()}
    with_it, without = means.values()
    return means | {"gain of pretraining": with_it - without, "scores": scores}


def draw(found):
    figure = Figure(figsize=(4.2, 3.2), layout="constrained")
    axes = figure.add_subplot(ylabel=f"accuracy, {LABELLED} labelled digits")
    for place, (name, values) in enumerate(found["scores"].items()):
        axes.bar(place, np.mean(values), color="C0" if name == "with" else "gray", alpha=0.6)
        axes.plot([place] * len(values), values, "o", color="black", markersize=4)
    axes.set_xticks([0, 1], ["pretrained", "random start"])
    axes.set_ylim(0, 1)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
