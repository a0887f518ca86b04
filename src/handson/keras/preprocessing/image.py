"""Images: those functions of `handson.utils` that read, write and make them, and generators of changed images."""

from __future__ import annotations

from handson.keras.mirror import mirror

_FUNCTIONS = ("array_to_img", "img_to_array", "load_img", "save_img", "smart_resize")

mirror(__name__, "handson.preprocessing.image", **{name: f"handson.utils:{name}" for name in _FUNCTIONS})
