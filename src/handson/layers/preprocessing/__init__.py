"""Layers that prepare data: numbers, categories, texts and images.

`given` takes what users give; `encoding` is the base of what gives indices and vectors; `index_lookup` that of
vocabularies. Read `encoding.py` first.
"""

from handson.layers.preprocessing.hashing import HashedCrossing, Hashing
from handson.layers.preprocessing.lookup import IntegerLookup, StringLookup
from handson.layers.preprocessing.numbers import CategoryEncoding, Discretization
from handson.layers.preprocessing.text import TextVectorization

__all__ = [
    "CategoryEncoding",
    "Discretization",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
    "StringLookup",
    "TextVectorization",
]
