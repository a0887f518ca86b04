"""The Markov chain: what comes next depends on what is there now, and on nothing before.

Markov (1906). As a net it is one layer from the symbol at hand to the chances of the next one; gradients find what
counting would. On letters of a text it makes words that sound like the language.
"""

import numpy as np
import page
from matplotlib.figure import Figure

from handson import Sequential
from handson.layers import Embedding, Flatten, Softmax
from handson.optimizers import Adam

TEXT = (
    "two roads went out of the town at the river the one to the north rose slowly among the fields and the other went "
    "down to the water where the boats were and the men who mended them sat in the sun and told each other of the "
    "sea there was no one who did not know the man with the red hat he had been on every ship and in every port and "
    "when he told of the storms the others let their hands rest and the nets lay on the stones until the evening "
)
LETTERS = sorted(set(TEXT))


def train(epochs=150):
    numbers = np.array([LETTERS.index(letter) for letter in TEXT])
    now, following = numbers[:-1, None], numbers[1:]
    net = Sequential([Embedding(len(LETTERS), len(LETTERS), "zeros"), Flatten(), Softmax()], seed=0)
    net.compile(Adam(0.1), "sparse_categorical_crossentropy")
    net.fit(now, following, epochs=epochs, batch_size=len(now), verbose=0)
    chances = net.predict(np.arange(len(LETTERS))[:, None])
    counts = np.zeros(chances.shape)
    np.add.at(counts, (now[:, 0], following), 1)
    counted = counts / counts.sum(1, keepdims=True)
    return {"largest difference from counting": float(np.abs(chances - counted).max()), "chances": chances,
            "text": spoken(chances, 60)}  # fmt: skip


def spoken(chances, length):
    """Letters, each drawn from the chances after the one before."""
    rng, letter, text = np.random.default_rng(0), 0, ""
    for _ in range(length):
        letter = rng.choice(len(LETTERS), p=chances[letter].astype(float) / chances[letter].astype(float).sum())
        text += LETTERS[letter]
    return text


def draw(found):
    figure = Figure(figsize=(5.4, 4.8), layout="constrained")
    axes = figure.add_subplot(xlabel="next letter", ylabel="letter")
    shown = axes.imshow(found["chances"], cmap="magma_r")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(len(LETTERS)), ["␣", *LETTERS[1:]])
    figure.colorbar(shown, label="chance")
    axes.set_title(f"“{found['text'].strip()}”", fontsize=8)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
