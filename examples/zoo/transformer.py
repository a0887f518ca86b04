"""The transformer: every step of a sequence looks at all others, and learns at which.

Vaswani et al. (2017). It turns sequences of symbols around: to write the first symbol it has to look at the last.
"""

import numpy as np
import page
from matplotlib.figure import Figure

import handson
from handson import Model, ops
from handson.layers import Add, Dense, Embedding, Input, Layer, LayerNormalization, MultiHeadAttention
from handson.optimizers import Adam

SYMBOLS, STEPS, WIDTH = 10, 12, 32


@handson.register
class Places(Layer):
    """Adds to each step of a sequence what stands for its place."""

    def build(self, input_shape):
        self.places = Embedding(input_shape[1], input_shape[2])

    def call(self, inputs):
        return inputs + self.places(ops.arange(inputs.shape[1]))


def block(x):
    """Attention, and a small net for each step; both add to what comes in."""
    looked = MultiHeadAttention(1, WIDTH, name="attention")(x, x)
    x = LayerNormalization()(Add()([x, looked]))
    return LayerNormalization()(Add()([x, Dense(WIDTH)(Dense(2 * WIDTH, "relu")(x))]))


def train(epochs=25):
    rng = np.random.default_rng(0)
    x = rng.integers(0, SYMBOLS, (2000, STEPS))
    symbols = Input((STEPS,), dtype="int64")
    hidden = block(Places()(Embedding(SYMBOLS, WIDTH)(symbols)))
    net = Model(symbols, Dense(SYMBOLS, "softmax")(hidden), seed=0)
    net.compile(Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(x[:1500], x[:1500, ::-1], epochs=epochs, batch_size=50, verbose=0)
    return {"accuracy": net.evaluate(x[1500:], x[1500:, ::-1])[1], "net": net, "x": x[1500:1501]}


def draw(found):
    net, x = found["net"], found["x"]
    attention = net.get_layer("attention")
    seen = Model(net.input, attention.input).predict(x)  # the queries, and the values
    _, scores = attention(seen, seen, return_attention_scores=True)
    figure = Figure(figsize=(4.6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="symbol that is looked at", ylabel="symbol that is written")
    shown = axes.imshow(ops.convert_to_numpy(scores[0, 0]), cmap="viridis")
    written = net.predict(x)[0].argmax(-1)
    axes.set_xticks(range(STEPS), x[0])
    axes.set_yticks(range(STEPS), written)
    figure.colorbar(shown, label="attention")
    return figure


if __name__ == "__main__":
    page.main(train, draw)
