"""Imports all layers, so that they are registered: a file or an experiment names them."""

from __future__ import annotations

import importlib

from handson.layers import TOPICS

for topic in TOPICS:
    importlib.import_module(f"handson.layers.{topic}")
