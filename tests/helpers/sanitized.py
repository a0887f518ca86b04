"""Calls the kernels with random sizes, from another build of the library: what they give is not looked at.

    python sanitized.py FOLDER ROUNDS SEED

Memory comes from the sanitizer's allocator, which finds what reads or writes beside it.
"""

import sys
from pathlib import Path

import numpy as np
import torch

import handson
from handson import layers
from handson.faces.simulator.simulation import simulate
from handson.kernels import library, threads
from handson.kernels.convolved_pool import ConvolvedPooledRelu, Windows
from handson.kernels.image_text import find_lines, parse_rows
from handson.kernels.keyed_dropout import KeyedDropout
from handson.kernels.normalized_convolution import NormalizedConvolution
from handson.kernels.normalized_pool import NormalizedPooledRelu
from handson.kernels.pooled_convolution import PooledConvolution
from handson.kernels.pooled_relu import Drop, PooledRelu
from handson.kernels.recurrence import GRU, LSTM, Recurrence
from handson.kernels.shuffle import permutation
from handson.kernels.winograd import WinogradConvolution


class Sizes:
    """Random numbers, and tensors of random sizes; some begin in the middle of a vector."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def upto(self, most, least=1):
        return int(self.rng.integers(least, most + 1))

    def tensor(self, *shape):
        size, shift = int(np.prod(shape)), self.upto(3, 0)
        values = torch.tensor(self.rng.normal(size=size + shift), dtype=torch.float32)
        # From the end of its memory: a vector that reads too far is found.
        return values[shift:].clone()[:size].view(shape).requires_grad_()

    def drop(self, rows):
        return Drop(self.upto(1 << 40), torch.arange(rows), 0.4) if self.upto(1, 0) else None

    def padding(self):
        return tuple((self.upto(2, 0), self.upto(2, 0)) for _ in range(2))


def back(outputs):
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    first.square().sum().backward()


def pools(s):
    x = s.tensor(s.upto(4), s.upto(9), s.upto(9), s.upto(40))
    back(PooledRelu.apply(x, s.drop(len(x))))
    if x.shape[1] > 1 and x.shape[2] > 1:
        gamma = s.tensor(x.shape[3])
        back(NormalizedPooledRelu.apply(x, gamma, None, 1e-3, s.drop(len(x))))
    back(KeyedDropout.apply(x.flatten(1), 7, torch.arange(len(x)), 0.3))


def convolutions(s):
    window = s.upto(3), s.upto(3)
    x = s.tensor(s.upto(4), s.upto(20, 3), s.upto(20, 3), s.upto(3))
    kernel, bias, padding = s.tensor(*window, x.shape[3], s.upto(40)), None, s.padding()
    drop = s.drop(len(x))
    back(ConvolvedPooledRelu.apply(kernel, bias, Windows.of(x.detach(), window, padding), drop))
    back(NormalizedConvolution.apply(kernel, None, None, None, x.detach(), padding, 1e-3, drop))

    def convolve(images):
        (top, bottom), (left, right) = padding
        padded = torch.nn.functional.pad(images.detach().movedim(3, 1), (left, right, top, bottom))
        return torch.nn.functional.conv2d(padded, kernel.detach().permute(3, 2, 0, 1)).movedim(1, 3)

    back(PooledConvolution.apply(x, kernel, bias, convolve, padding, drop))


def winograd(s):
    lanes = library.lanes()
    x = s.tensor(s.upto(3), s.upto(9, 3), s.upto(9, 3), lanes * s.upto(3))
    kernel = s.tensor(3, 3, x.shape[3], lanes * s.upto(3))
    back(WinogradConvolution.apply(x, kernel, s.tensor(kernel.shape[3]), s.padding()))


def recurrence(s):
    units, features = s.upto(40), s.upto(9)
    x, weights = s.tensor(s.upto(40), s.upto(6), features), s.tensor(units + features + s.upto(1, 0), 4 * units)
    back(Recurrence.apply(x, weights, (GRU, LSTM)[s.upto(1, 0)], bool(s.upto(1, 0))))
    with torch.no_grad():
        Recurrence.apply(x, weights, LSTM, True)


def dense(s):
    x = s.rng.normal(size=(s.upto(60), s.upto(20))).astype(np.float32)
    kinds = ["relu", "tanh", "gelu", "softplus", "selu", "softmax", "linear"]
    stack = []
    for _ in range(s.upto(3)):
        stack += [layers.Dense(s.upto(40), activation=kinds[s.upto(len(kinds)) - 1], use_bias=bool(s.upto(1, 0)))]
        stack += [layers.Dropout(0.3)] * s.upto(1, 0) + [layers.BatchNormalization()] * s.upto(1, 0)
    net = handson.Sequential([*stack, layers.Dense(s.upto(3))], seed=0)
    if s.upto(1, 0):
        entry, again = layers.Input((x.shape[1],)), layers.Dense(x.shape[1])
        x1, x2 = again(entry), entry + again(again(entry))
        gated = layers.Maximum()([x1 * (1 - x2), layers.Minimum()([x2, x1])])
        joined = layers.Concatenate()([handson.Sequential(stack)(entry), gated])
        net = handson.Model(entry, layers.Dense(s.upto(3))(joined), seed=0)
    net.compile(["adam", "sgd", "rmsprop", "adagrad", "adadelta"][s.upto(5) - 1], ["mse", "mae"][s.upto(1, 0)])
    y = s.rng.normal(size=(len(x), net.layers[-1].units)).astype(np.float32)
    net.fit(x, y, epochs=2, batch_size=s.upto(40), verbose=0, engine="dense")


def text(s):
    rows, pixels = s.upto(5, 0), s.upto(30)
    lines = [f'{n},"{" ".join(map(str, s.rng.integers(0, 256, pixels)))}"' for n in range(rows)]
    buffer = np.frombuffer("\n".join([*lines, "1,2 3"]).encode(), np.uint8).copy()
    ends, _ = find_lines(buffer, 0, ord(","), final=True)
    parse_rows(buffer, ends, 1, ord(","), np.zeros((len(ends), pixels), np.uint8), np.zeros((len(ends), 2), np.int64))
    permutation(s.upto(1 << 40), s.upto(40_000, 0))


def faces(s):
    simulate(1, s.upto(1 << 40), size=s.upto(60, 32))


def main():
    folder, rounds, seed = sys.argv[1:]
    library.FOLDER = Path(folder)
    threads.WORTH_A_THREAD = 1  # always on several
    torch.set_num_threads(2)
    sizes = Sizes(int(seed))
    for _ in range(int(rounds)):
        for kernels in pools, convolutions, winograd, recurrence, dense, text, faces:
            kernels(sizes)
    print(f"{library.loaded()._name}: nothing found")


if __name__ == "__main__":
    main()
