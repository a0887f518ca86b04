"""`theano.scan_module`: loops, and what ends them."""

from handson.theano.scanning import foldl, foldr, map, reduce, scan, until

__all__ = ["foldl", "foldr", "map", "reduce", "scan", "until"]
