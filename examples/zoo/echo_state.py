"""The echo state net: a recurrent net whose random weights are never trained; only the output is, in one step.

Jaeger (2001). The reservoir echoes what it was given in hundreds of ways; a linear output picks from them. It continues
the chaotic series of Mackey and Glass (1977).
"""

import numpy as np
import page
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge

from handson import Sequential, ops
from handson.initializers import RandomUniform
from handson.layers import RNN, Dense, Layer

UNITS, FIRST, SEEN, AHEAD = 200, 100, 1000, 120


class Reservoir(Layer):
    """A cell with random weights, whose state decays slowly."""

    def __init__(self, units, radius=0.95, leak=0.4, **kwargs):
        super().__init__(**kwargs)
        self.state_size, self.radius, self.leak = units, radius, leak

    def build(self, input_shape):
        units, uniform = self.state_size, RandomUniform(-1.0, 1.0)
        self.kernel = self.add_weight((input_shape[-1] + 1, units), uniform, "kernel", trainable=False)
        self.recurrent_kernel = self.add_weight((units, units), uniform, "recurrent_kernel", trainable=False)
        largest = np.abs(np.linalg.eigvals(self.recurrent_kernel.numpy())).max()
        self.recurrent_kernel.assign(self.recurrent_kernel * (self.radius / largest))

    def call(self, inputs, states):
        inner = inputs @ self.kernel[1:] + self.kernel[0] + states[0] @ self.recurrent_kernel
        state = (1 - self.leak) * states[0] + self.leak * ops.tanh(inner)
        return state, [state]


def mackey_glass(count, delay=17):
    """The series, one value a unit of time, around zero."""
    x = [1.2] * (10 * delay + 1)
    for _ in range(10 * (count + 200)):
        x.append(x[-1] + 0.1 * (0.2 * x[-1 - 10 * delay] / (1 + x[-1 - 10 * delay] ** 10) - 0.1 * x[-1]))
    return (np.array(x[-10 * count :: 10]) - 0.9).astype("float32")[:, None]


def train():
    series = mackey_glass(SEEN + AHEAD + 1)
    cell = Reservoir(UNITS)
    reservoir = RNN(cell, return_sequences=True)
    net = Sequential([reservoir, Dense(1)], seed=0)
    net.build((None, None, 1))
    echoes = ops.convert_to_numpy(reservoir(series[None, :SEEN]))[0]
    solved = Ridge(1e-7).fit(echoes[FIRST:], series[FIRST + 1 : SEEN + 1, 0])
    net.layers[1].set_weights([solved.coef_[:, None], [solved.intercept_]])
    state, alone = ops.convert_to_tensor(echoes[-1:]), []
    for _ in range(AHEAD):
        value = net.layers[1](state)
        alone.append(value.item())
        state, _ = cell(value, [state])
    truth = series[SEEN : SEEN + AHEAD, 0]
    error = np.sqrt(np.mean((alone - truth) ** 2)) / series.std()
    return {"relative error going on alone": float(error), "alone": alone, "truth": truth, "echoes": echoes}


def draw(found):
    figure = Figure(figsize=(7, 4), layout="constrained")
    top, bottom = figure.subplots(2, 1)
    top.plot(found["echoes"][-200:, :12], linewidth=0.8)
    top.set(title="twelve of the 200 units of the reservoir", xticks=[])
    bottom.plot(found["truth"], color="black", label="Mackey and Glass")
    bottom.plot(found["alone"], "--", color="C3", label="the net, alone")
    bottom.set_xlabel("steps after the last one that it was given")
    bottom.legend(fontsize=8)
    return figure


if __name__ == "__main__":
    page.main(train, draw)
