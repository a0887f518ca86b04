"""Nets that are trained on several workers, and what the trainings have come to."""

import multiprocessing
import os
import signal

import numpy as np

import handson
from handson.callbacks import Callback
from handson.layers import LSTM, Activation, BatchNormalization, Concatenate, Conv2D, Dense, Dropout, Flatten
from handson.metrics import Metric
from handson.schedules import ExponentialDecay


def started():
    """The workers that this process has started and that are left; it may have other children, such as joblib's."""
    return [child for child in multiprocessing.active_children() if child.name.startswith("handson worker")]


class Kill(Callback):
    """Kills a worker after each of some steps; where a step stands twice, two of them."""

    def __init__(self, steps):
        self.steps, self.seen = steps, 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        count = self.steps.count(self.seen)
        for child in started()[:count]:
            os.kill(child.pid, signal.SIGKILL)


class Change(Callback):
    """Changes after the first epoch what the other workers have to hear of."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.model.optimizer.learning_rate = 0.003
            self.model.layers[0].trainable = False
            self.model.layers[-1].bias.data.add_(0.5)
            next(layer for layer in self.model.layers if isinstance(layer, Dropout)).rate = 0.4


class Reschedule(Callback):
    """Gives the optimizer another schedule after the first epoch, and a rate to one that decays after the second."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.model.optimizer.learning_rate = ExponentialDecay(0.01, 2, 0.5)
        elif epoch == 1:
            self.model.optimizer.learning_rate = 0.002


class Worst(Metric):
    """A metric that needs all rows at once."""

    keeps_rows = True

    def statistics(self, y_true, y_pred, sample_weight):
        return {"error": (y_true - y_pred).abs()[sample_weight > 0]}

    def finish(self, statistics):
        return statistics["error"].max()


def dense():
    return handson.Sequential([Dense(16, activation="relu", kernel_regularizer="l2"), Dropout(0.3), Dense(2)], seed=1)


def convolutional():
    layers = [Conv2D(4, 3), BatchNormalization(), Activation("relu"), Dropout(0.2), Flatten(), Dense(2)]
    return handson.Sequential(layers, seed=1)


def recurrent():
    return handson.Sequential([LSTM(6, dropout=0.2), Dropout(0.1), Dense(2)], seed=1)


def functional():
    first, second = handson.Input((4,)), handson.Input((3,))
    joined = Concatenate()([Dense(8)(first), BatchNormalization()(Dense(8)(second))])
    return handson.Model([first, second], Dense(2)(Dropout(0.2)(joined)), seed=1)


SHAPES = {"dense": [(5,)], "convolutional": [(6, 6, 1)], "recurrent": [(5, 3)], "functional": [(4,), (3,)]}


def trained(kind, devices, epochs=2, callbacks=(), optimizer=None, **how):
    """Weights and history of a net; its 35 rows make ragged batches, and some targets are missing."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(35, *shape)).astype(np.float32) for shape in SHAPES[kind]]
    y = rng.normal(size=(35, 2)).astype(np.float32)
    y[3], y[7, 1] = np.nan, np.nan
    net = globals()[kind]()
    net.compile(optimizer or "adam", "mse", metrics=["mae", "r2_score", Worst()])
    given = x if len(x) > 1 else x[0]
    held_out = ([leaf[:9] for leaf in x] if len(x) > 1 else x[0][:9]), y[:9]
    history = net.fit(
        given, y, epochs=epochs, batch_size=16, verbose=0, seed=2, devices=devices, validation_data=held_out,
        sample_weight=np.linspace(0.5, 2.0, 35), callbacks=list(callbacks), **how,
    )  # fmt: skip
    return [weight.tobytes() for weight in net.get_weights()], history.history


def guest(kind, folder, place, answers, epochs=3):
    """The weights and the history of a worker that joins; it is started when its place in the line is free."""
    answers.put((place, trained(kind, None, epochs, run=folder, resume="join")))
