"""Modules of Keras that have no file here: other spellings of modules, and those of which little or nothing is here.

For each the modules whose names it has, and further names with their homes.
"""

from __future__ import annotations

Content = tuple[tuple[str, ...], dict[str, str]]

_OF_LAYERS = [
    "advanced_activations", "convolutional", "convolutional_recurrent", "core", "cudnn_recurrent", "embeddings",
    "experimental", "experimental.preprocessing", "local", "merge", "noise", "normalization", "pooling",
    "preprocessing", "recurrent", "wrappers",
]  # fmt: skip
_OF_UTILS = [
    "data_utils", "generic_utils", "io_utils", "layer_utils", "np_utils", "vis_utils", "visualize_util",
]  # fmt: skip
# Where older versions of Keras had what is elsewhere now.
SPELLINGS = {
    **{f"layers.{name}": "layers" for name in _OF_LAYERS},
    **{f"utils.{name}": "utils" for name in _OF_UTILS},
    "callbacks.callbacks": "callbacks",
    "engine": "layers",
    "engine.base_layer": "layers",
    "engine.topology": "layers",
    "engine.training": "models",
    "initializations": "initializers",
    "legacy.saving": "saving",
    "metrics.metrics": "metrics",
    "objectives": "losses",
    "optimizers.legacy": "optimizers",
    "optimizers.learning_rate_schedule": "optimizers.schedules",
    "optimizers.optimizers": "optimizers",
    "utils.legacy": "saving",
}
_DATASETS = (
    "boston_housing", "california_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "reuters",
)  # fmt: skip
_APPLICATIONS = (
    "convnext", "densenet", "efficientnet", "efficientnet_v2", "imagenet_utils", "inception_resnet_v2", "inception_v3",
    "mobilenet", "mobilenet_v2", "mobilenet_v3", "nasnet", "resnet", "resnet50", "resnet_v2", "vgg16", "vgg19",
    "xception",
)  # fmt: skip
_OF_HANDSON = {
    "ops.image": "handson.ops.image",
    "ops.linalg": "handson.ops.linalg",
    "ops.nn": "handson.ops.nn",
    "ops.numpy": "handson.ops",
    **{f"applications.{name}": f"handson.applications.{name}" for name in _APPLICATIONS},
    **{f"datasets.{name}": f"handson.datasets.{name}" for name in _DATASETS},
}
# Those of which nothing is here; `missing` says why.
EMPTY = [
    "distillation", "distribution", "export", "legacy", "quantizers", "utils.bounding_boxes", "visualization",
]  # fmt: skip


MODULES: dict[str, Content] = {
    **{place: ((f"handson.keras.{home}",), {}) for place, home in SPELLINGS.items()},
    **{place: ((home,), {}) for place, home in _OF_HANDSON.items()},
    **{place: ((), {}) for place in EMPTY},
    "wrappers.scikit_learn": (
        (),
        {name: f"handson.keras.wrapped_by_arguments:{name}" for name in ("KerasClassifier", "KerasRegressor")},
    ),
}
