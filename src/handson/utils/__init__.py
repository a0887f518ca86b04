"""Keras's `utils`: arrays, images, data sets of files and of windows, downloads, and helpers of programs.

Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.core.lazy import lazy

if TYPE_CHECKING:
    from handson.data.dataflow import Dataflow as Dataflow
    from handson.plots.structure import plot_model as plot_model
    from handson.utils.arrays import normalize as normalize
    from handson.utils.arrays import pad_sequences as pad_sequences
    from handson.utils.arrays import to_categorical as to_categorical
    from handson.utils.downloads import get_file as get_file
    from handson.utils.folders import image_dataset_from_directory as image_dataset_from_directory
    from handson.utils.folders import text_dataset_from_directory as text_dataset_from_directory
    from handson.utils.pictures import array_to_img as array_to_img
    from handson.utils.pictures import img_to_array as img_to_array
    from handson.utils.pictures import load_img as load_img
    from handson.utils.pictures import save_img as save_img
    from handson.utils.progbar import Progbar as Progbar
    from handson.utils.py_dataset import PyDataset as PyDataset
    from handson.utils.seeds import set_random_seed as set_random_seed
    from handson.utils.series import timeseries_dataset_from_array as timeseries_dataset_from_array
    from handson.utils.splitting import split_dataset as split_dataset

_TOPICS = {
    "arrays": ("normalize", "pad_sequences", "to_categorical"),
    "downloads": ("get_file",),
    "folders": ("audio_dataset_from_directory", "image_dataset_from_directory", "text_dataset_from_directory"),
    "batches": (
        "get_source_inputs", "is_keras_tensor", "pack_x_y_sample_weight", "standardize_dtype",
        "unpack_x_y_sample_weight",
    ),
    "objects": (
        "CustomObjectScope", "custom_object_scope", "deserialize_keras_object", "get_custom_objects",
        "get_registered_name", "get_registered_object", "register_keras_serializable", "serialize_keras_object",
    ),
    "pictures": ("array_to_img", "img_to_array", "load_img", "save_img", "smart_resize"),
    "progbar": ("Progbar",),
    "py_dataset": ("PyDataset", "Sequence"),
    "seeds": ("set_random_seed",),
    "series": ("timeseries_dataset_from_array",),
    "splitting": ("split_dataset",),
}  # fmt: skip
_HOMES = {name: f"handson.utils.{topic}:{name}" for topic, names in _TOPICS.items() for name in names} | {
    "model_to_dot": "handson.plots.structure:model_to_dot",
    "plot_model": "handson.plots.structure:plot_model",
    "AUTOTUNE": "handson.data.dataflow:AUTOTUNE",
    "Dataflow": "handson.data.dataflow:Dataflow",
}

__all__ = sorted(_HOMES)
__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
