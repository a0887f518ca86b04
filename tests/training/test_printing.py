"""What a training prints belongs to that training, whatever its callbacks do; and what callbacks with verbose=1 say."""

import numpy as np
import pytest

from handson import Sequential, callbacks
from handson.layers import Dense
from handson.optimizers import SGD


def net(rate=0.01):
    model = Sequential([Dense(1, input_dim=3)], seed=0)
    model.compile(SGD(rate), "mse")
    return model


def data():
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    return x, x.sum(1)


class Look(callbacks.Callback):
    """Uses other verbs of the net in the middle of its training."""

    def __init__(self, verb):
        self.verb = verb

    def on_train_begin(self, logs=None):
        x, y = data()
        self.verb(self.model, x, y)

    on_epoch_end = lambda self, epoch, logs=None: self.on_train_begin()  # noqa: E731


VERBS = {
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "predict": lambda model, x, y: model.predict(x, verbose=0),
    "another fit": lambda model, x, y: net().fit(x, y, verbose=0),
    "nothing": lambda model, x, y: None,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("verbose", [0, 2])
def test_verbs_inside_of_a_callback_do_not_mute_or_unmute_a_training(verb, verbose, capsys):
    x, y = data()
    y = y.copy()
    y[3] = np.nan
    stopping = callbacks.EarlyStopping(patience=5)
    net().fit(x, y, epochs=3, verbose=verbose, missing="drop", callbacks=[Look(VERBS[verb]), stopping])
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if line.split()[:1] in (["1/3"], ["2/3"], ["3/3"])]
    assert len(lines) == (3 if verbose else 0)
    for said in ("EarlyStopping watches 'loss'", "39 of 40 rows have all targets"):
        assert (said in printed) == bool(verbose)


def test_what_a_net_prints_is_no_attribute_of_it():
    x, y = data()
    model = net()
    model.fit(x, y, verbose=2)
    assert not hasattr(model, "verbose")


@pytest.mark.parametrize("verbose", [0, 2])
def test_callbacks_that_are_asked_to_speak_do(tmp_path, verbose, capsys):
    """As in Keras also in a silent training; and without verbose=1 they are silent."""
    x, y = data()

    def said(speaks):
        asked = [
            callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True, verbose=speaks, mode="max"),
            callbacks.ReduceLROnPlateau("loss", patience=2, mode="max", verbose=speaks),
            callbacks.ModelCheckpoint(tmp_path / "a.handson", "loss", save_best_only=True, mode="max", verbose=speaks),
            callbacks.LearningRateScheduler(lambda epoch, rate: rate, verbose=speaks),
        ]
        net().fit(x, y, epochs=9, verbose=verbose, callbacks=asked)
        return capsys.readouterr().out

    spoken, silent = said(1), said(0)
    expected = (
        "EarlyStopping: epoch 4: loss has not improved for 3 epochs; best ", "are those of the best epoch, 1",
        "ReduceLROnPlateau: epoch 3: the learning rate is now 0.001", "ModelCheckpoint: epoch 1: loss improved to ",
        "ModelCheckpoint: epoch 1: saved as ", "ModelCheckpoint: epoch 2: loss did not improve from ",
        "LearningRateScheduler: epoch 1: the learning rate is 0.01",
    )  # fmt: skip
    for text in expected:
        assert text in spoken
        assert text not in silent


def test_a_checkpoint_of_every_epoch_says_where_it_lies(tmp_path, capsys):
    x, y = data()
    net().fit(x, y, epochs=2, verbose=0, callbacks=callbacks.ModelCheckpoint(tmp_path / "{epoch}.handson", verbose=1))
    assert capsys.readouterr().out.count("saved as") == 2
