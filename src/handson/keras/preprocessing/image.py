"""Images: those functions of `handson.utils` that read, write and make them, and generators of changed images."""

from __future__ import annotations

from handson.keras.mirror import mirror

_CHANGES = (
    "apply_affine_transform", "apply_brightness_shift", "apply_channel_shift", "random_brightness",
    "random_channel_shift", "random_rotation", "random_shear", "random_shift", "random_zoom",
)  # fmt: skip
_ITERATORS = ("DataFrameIterator", "DirectoryIterator", "Iterator", "NumpyArrayIterator")
_FUNCTIONS = ("array_to_img", "img_to_array", "load_img", "save_img", "smart_resize")

mirror(
    __name__,
    ImageDataGenerator=f"{__package__}.image_data_generator:ImageDataGenerator",
    **{name: f"{__package__}.image_changes:{name}" for name in _CHANGES},
    **{name: f"{__package__}.image_iterators:{name}" for name in _ITERATORS},
    **{name: f"handson.utils:{name}" for name in _FUNCTIONS},
)
