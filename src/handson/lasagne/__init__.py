"""Lasagne's language: layers that stand one behind the other, expressions of their outputs, update rules.

Programs run with their imports changed: ``from handson import lasagne``. Layers are made of handson's own, and images
are channels-first, as in Lasagne.

Examples
--------
>>> import numpy as np
>>> from handson import lasagne, theano
>>> import handson.theano.tensor as T
>>> x, y = T.matrix("x"), T.ivector("y")
>>> softmax = lasagne.nonlinearities.softmax
>>> net = lasagne.layers.DenseLayer(lasagne.layers.InputLayer((None, 2), x), 2, nonlinearity=softmax)
>>> loss = lasagne.objectives.categorical_crossentropy(lasagne.layers.get_output(net), y).mean()
>>> updates = lasagne.updates.adam(loss, lasagne.layers.get_all_params(net, trainable=True), 0.1)
>>> train = theano.function([x, y], loss, updates=updates)
>>> data = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1])
>>> first = train(*data)
>>> bool([train(*data) for _ in range(20)][-1] < first)
True
"""

from __future__ import annotations

from typing import Any

from handson.core.errors import nearest
from handson.lasagne import init, layers, nonlinearities, objectives, random, regularization, updates, utils

__version__ = "0.2"
__all__ = ["init", "layers", "nonlinearities", "objectives", "random", "regularization", "updates", "utils"]


def __getattr__(name: str) -> Any:
    raise AttributeError(f"handson.lasagne has no {name!r}.{nearest(name, __all__)}")
