"""Steps that a mask hides count neither in losses nor in metrics, as in Keras."""

import keras
import numpy as np
import pytest

import handson
from handson import layers


def nets(words, loss, end):
    made = words.Sequential(
        [words.Input((5,), dtype="int32"), words.layers.Embedding(7, 4, mask_zero=True),
         words.layers.LSTM(3, return_sequences=True), words.layers.Dense(*end[0], **end[1])]
    )  # fmt: skip
    made.compile("sgd", loss, weighted_metrics=None, metrics=[end[2]])
    return made


class Ours:
    Sequential, Input, layers = handson.Sequential, handson.Input, layers


class Theirs:
    Sequential, Input, layers = keras.Sequential, keras.Input, keras.layers


@pytest.mark.parametrize(
    ("loss", "end"),
    [("mse", ((2,), {}, "mae")), ("sparse_categorical_crossentropy", ((3,), {"activation": "softmax"}, "accuracy"))],
)
def test_losses_metrics_and_steps_are_those_of_keras(loss, end):
    rng = np.random.default_rng(0)
    x = rng.integers(1, 7, (24, 5))
    x[np.arange(5) >= rng.integers(1, 6, 24)[:, None]] = 0
    y = rng.normal(size=(24, 5, 2)).astype("f4") if loss == "mse" else rng.integers(0, 3, (24, 5))
    ours, theirs = nets(Ours, loss, end), nets(Theirs, loss, end)
    ours.set_weights(theirs.get_weights())
    a = ours.fit(x, y, epochs=3, batch_size=8, shuffle=False, verbose=0, engine="eager").history
    b = theirs.fit(x, y, epochs=3, batch_size=8, shuffle=False, verbose=0).history
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-5)
    shown = (x > 0)[..., None] if loss == "mse" else x > 0
    found = ours.predict(x)
    if loss == "mse":
        expected = float((np.abs(found - y) * shown).sum() / (2 * shown.sum()))
        assert ours.evaluate(x, y, return_dict=True)["mae"] == pytest.approx(expected, rel=1e-5)
    else:
        expected = float(((found.argmax(-1) == y) * shown).sum() / shown.sum())
        assert ours.evaluate(x, y, return_dict=True)["accuracy"] == pytest.approx(expected)
    assert a.keys() == b.keys()
