"""Random numbers under the names of `keras.random`, each draw a function of a seed.

A number as a seed gives the same values every time, a `SeedGenerator` other ones at each draw, and so does no seed at
all, which `handson.set_random_seed` fixes. Inside of a layer, while a net trains, the values of a row are a
function of the run's seed, the epoch and the row: a resumed run draws what an uninterrupted one would have drawn.

Examples
--------
>>> from handson import random
>>> bool((random.normal((2, 3), seed=1) == random.normal((2, 3), seed=1)).all())
True
"""

from handson.random.drawing import beta, binomial, categorical, gamma, normal, randint, truncated_normal, uniform
from handson.random.generator import SeedGenerator
from handson.random.rearranging import dropout, shuffle

__all__ = [
    "SeedGenerator", "beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint", "shuffle",
    "truncated_normal", "uniform",
]  # fmt: skip
