"""A net of `handson.applications` beside that of Keras, with the same weights: names, parameters, outputs.

As a script, all of them, or those that are named: ``python tests/helpers/pretrained.py VGG16 EfficientNetB7``.
"""

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np

from handson import applications

# The least size of an image that a net takes, where it is not 32.
SIZES = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}


def both(keras, name, size=None, **arguments):
    """Ours and that of Keras, with names that begin anew."""
    keras.backend.clear_session()
    side = size or SIZES.get(name, 32)
    arguments = {"weights": None, "input_shape": (side, side, 3)} | arguments
    return getattr(applications, name)(**arguments), of_keras(keras, name)(**arguments)


def of_keras(keras, name):
    """The function of Keras; on torch it refuses the small NASNet, which the general function there builds."""
    if name != "NASNetMobile":
        return getattr(keras.applications, name)
    from keras.src.applications.nasnet import NASNet

    return lambda input_shape, **rest: NASNet(
        input_shape, 1056, 4, 32, False, default_size=224, name="nasnet_mobile", **rest
    )


def drawn(net, seed=0):
    """Weights for a net of Keras that let values through, with variances and factors above 1."""
    rng = np.random.default_rng(seed)
    return [_one(rng, weight.name, tuple(weight.shape), str(weight.dtype)) for weight in net.weights]


def _one(rng, name, shape, dtype):
    if "int" in dtype:
        return np.zeros(shape, "int32")
    spread = (1 / max(1, np.prod(shape[:-1]))) ** 0.5 if len(shape) > 1 else 0.1
    values = rng.normal(scale=spread, size=shape).astype("float32")
    return np.abs(values) + 1 if name in ("gamma", "moving_variance", "variance") else values


def images(net, rows=2, seed=1):
    """Images for a net of Keras that is not for images of 0 to 255."""
    return np.random.default_rng(seed).uniform(-1, 1, (rows, *net.input_shape[1:])).astype("float32")


def assert_same(ours, theirs):
    """The same layers, parameters and outputs."""
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert (ours.name, ours.count_params()) == (theirs.name, theirs.count_params())
    weights = drawn(theirs)
    theirs.set_weights(weights)
    ours.set_weights(weights)
    x = images(theirs)
    expected = theirs.predict(x, verbose=0)
    assert expected.std() > 1e-4
    np.testing.assert_allclose(ours.predict(x), expected, atol=1e-4 * max(1, np.abs(expected).max()))


def main(names):
    import keras

    every = [name for name in applications.__all__ if name[0].isupper()]
    for name in names or every:
        assert_same(*both(keras, name, include_top=False, pooling="avg"))
        print(name, "as in Keras", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
