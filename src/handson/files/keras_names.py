"""Where Keras has what handson has: modules, names of classes, operations, and the arguments that it does not take."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterable
from typing import Any

from handson.core import registry

# The public module of each kind of noun, and what parts of the name of a module say of a kind.
MODULES = {
    "activation": "keras.activations", "callback": "keras.callbacks", "constraint": "keras.constraints",
    "function": "keras.ops", "initializer": "keras.initializers", "layer": "keras.layers", "loss": "keras.losses",
    "metric": "keras.metrics", "model": "keras", "op": "keras.ops", "optimizer": "keras.optimizers",
    "regularizer": "keras.regularizers", "schedule": "keras.optimizers.schedules",
}  # fmt: skip
PARTS = {f"{kind}s": kind for kind in MODULES} | {"losses": "loss"}
# In which order a name is looked up whose module says nothing.
CLASSES = ("layer", "model", "loss", "metric", "optimizer", "schedule", "regularizer", "initializer", "constraint")
FUNCTIONS = ("activation", "function", "op", "loss", "metric", "regularizer", "constraint", "initializer")
# Names that mean another class here.
RENAMED = {"Functional": "Model", "FloatDTypePolicy": "DTypePolicy"}
POLICIES = ("DTypePolicy", "FloatDTypePolicy", "Policy")
# Layers that only nets of `keras.applications` have: their names here, and the modules of Keras.
OF_APPLICATIONS = {
    "applications>CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
    "applications>LayerScale": "keras.src.applications.convnext",
}
# What handson has beside Keras: in files it is a class of one's own.
OWN = frozenset({
    "AveragePrecision", "Bias", "CRPS", "Cosine", "Coverage", "Evidential", "EvidentialDensity",
    "ExpectedCalibrationError", "GaussianDensity", "GaussianNLL", "LaplaceDensity", "LinearRamp", "LossMetric",
    "MedianAbsoluteError", "MixtureDensity", "NMAD", "NegativeLogLikelihood", "OneCycle", "OrdinalBins", "OutlierRate",
    "Pinball", "QuantileCalibrationError", "QuantileHead", "SpatialSoftArgmax2D", "SpearmanCorrelation", "StepDecay",
    "StudentTDensity",
})  # fmt: skip
# Arguments that say nothing in a file of Keras: the first input of a net states the shape.
NEVER = frozenset({
    "batch_input_shape", "batch_shape", "decay", "implementation", "input_dim", "input_length", "input_shape", "lr",
    "weights",
})  # fmt: skip
# Arguments that some classes of Keras do not take; at their default they are left out.
AT_DEFAULT = frozenset({
    "activity_regularizer", "alpha", "autocast", "bounding_box_format", "channels_first", "flash_attention",
    "lora_alpha", "lora_rank", "mask", "rate_multipliers", "rms_scaling", "seed", "use_cudnn",
})  # fmt: skip
# Layers without weights that Keras does not ask whether they train.
NEVER_TRAINED = ("Discretization", "Pipeline", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
# What optimizers and Lambda of Keras 2 say that no number depends on.
IGNORED = frozenset({
    "function_type", "is_legacy_optimizer", "jit_compile", "module", "output_shape_module", "output_shape_type",
})  # fmt: skip

# Operations, by the file of Keras that has them; those of `numpy` are the rest.
OP_FILES = {
    "core": "cast saturate_cast scatter scatter_update slice slice_update stop_gradient unstack",
    "image": "affine_transform crop_images extract_patches gaussian_blur hsv_to_rgb map_coordinates pad_images "
    "resize rgb_to_grayscale rgb_to_hsv sobel_edges",
    "linalg": "cholesky cholesky_inverse det eig eigh inv lstsq lu_factor matrix_rank norm pinv qr solve "
    "solve_triangular svd",
    "math": "cdist erf erfc erfinv extract_sequences fft fft2 ifft2 in_top_k irfft istft logdet logsumexp rfft "
    "rsqrt segment_max segment_min segment_prod segment_sum stft top_k view_as_complex view_as_real",
    "nn": "adaptive_average_pool adaptive_max_pool average_pool batch_normalization binary_crossentropy "
    "categorical_crossentropy celu conv conv_transpose ctc_loss depth_to_space depthwise_conv "
    "dot_product_attention elu fold gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh "
    "layer_normalization leaky_relu log_sigmoid log_softmax max_pool moments multi_hot normalize one_hot "
    "polar psnr relu relu6 rms_normalization selu separable_conv sigmoid silu soft_shrink softmax "
    "softplus softsign space_to_depth sparse_categorical_crossentropy sparse_plus sparse_sigmoid "
    "sparsemax squareplus tanh_shrink threshold unfold",
}
# Classes whose names are not those of the functions in camel case.
OP_CLASSES = {
    "allclose": "AllClose", "batch_normalization": "BatchNorm", "cdist": "CDist", "ctc_loss": "CTCLoss", "fft": "FFT",
    "fft2": "FFT2", "hsv_to_rgb": "HSVToRGB", "ifft2": "IFFT2", "irfft": "IRFFT", "isin": "IsIn", "istft": "ISTFT",
    "layer_normalization": "LayerNorm", "psnr": "PSNR", "rfft": "RFFT", "rgb_to_grayscale": "RGBToGrayscale",
    "rgb_to_hsv": "RGBToHSV", "rms_normalization": "RMSNorm", "searchsorted": "SearchSorted", "stft": "STFT",
    "svd": "SVD",
}  # fmt: skip
# Operations whose classes are called with more, or less, than the arguments that are tensors.
CALLED_WITH = {
    "arange": ("start", "stop", "step"), "bincount": ("x",), "clip": ("x",), "geomspace": ("start", "stop"),
    "dot_product_attention": ("query", "key", "value", "bias", "mask", "scale"), "get_item": ("x", "key"),
    "isclose": ("x1", "x2", "rtol", "atol"), "linspace": ("start", "stop"), "logspace": ("start", "stop"),
    "pad": ("x", "constant_values"), "select": ("condlist", "choicelist", "default"),
    "slice": ("inputs", "start_indices"), "slice_update": ("inputs", "start_indices", "updates"), "trapezoid": ("y",),
}  # fmt: skip
TENSORS = ("Tensor", "Operand", "Tensors")


def is_keras(module: Any) -> bool:
    """Whether a module is one of Keras, by the name that a file gives.

    Examples
    --------
    >>> is_keras("keras.layers"), is_keras("keras.src.ops.numpy"), is_keras("__main__"), is_keras(None)
    (True, True, False, False)
    """
    return isinstance(module, str) and module.partition(".")[0] in ("keras", "tf_keras")


def kinds_in(module: Any, kinds: Iterable[str] = CLASSES) -> tuple[str, ...]:
    """The kinds of noun that a module of Keras has; all `kinds` where its name does not say.

    Examples
    --------
    >>> kinds_in("keras.layers"), kinds_in("keras.src.ops.numpy"), kinds_in("keras.src.models.functional")
    (('layer', 'model'), ('op',), ('model', 'layer'))
    """
    parts = module.split(".") if is_keras(module) else []
    found = next((PARTS[part] for part in reversed(parts) if part in PARTS), None)
    return tuple(kinds) if found is None else with_nets(found)


def with_nets(kind: str) -> tuple[str, ...]:
    """A kind of noun, and of layers and nets the other, since each may stand where the other does."""
    return {"layer": ("layer", "model"), "model": ("model", "layer")}.get(kind, (kind,))


def found(kinds: Iterable[str], *names: Any) -> tuple[str, Any] | None:
    """The first of some names that is registered under one of some kinds: the kind, and what it means."""
    for name in names:
        for each in (name, RENAMED.get(name) if isinstance(name, str) else None):
            for kind in kinds:
                if isinstance(each, str) and registry.is_known(kind, each):
                    return kind, registry.find(kind, each)
    return None


def own_name(kind: str, target: Any, name: str) -> str:
    """The name of a class or function of the user's with the package that it was registered for, if there is one."""
    full = [key for key, held in registry.meanings(kind).items() if held is target and ">" in key]
    return full[0] if full else name


# Operations.


def op_module(name: str) -> str:
    """The module of the class of an operation in Keras.

    Examples
    --------
    >>> op_module("relu"), op_module("add")
    ('keras.src.ops.nn', 'keras.src.ops.numpy')
    """
    file = next((file for file, names in OP_FILES.items() if name in names.split()), "numpy")
    return f"keras.src.ops.{file}"


def op_class(name: str) -> str:
    """The name of the class of an operation in Keras.

    Examples
    --------
    >>> op_class("true_divide"), op_class("svd")
    ('TrueDivide', 'SVD')
    """
    return OP_CLASSES.get(name) or "".join(part[:1].upper() + part[1:] for part in name.split("_"))


@functools.cache
def _ops(known: tuple[str, ...]) -> dict[str, str]:
    plain = {name.replace("_", "").lower(): name for name in known}
    return plain | {kind.lower(): name for name, kind in OP_CLASSES.items()}


def op_name(class_name: str) -> str | None:
    """The operation whose class in Keras has a name, None if there is none.

    Examples
    --------
    >>> op_name("TrueDivide"), op_name("SVD"), op_name("Eval")
    ('true_divide', 'svd', None)
    """
    return _ops(tuple(registry.names("op"))).get(re.sub("_", "", class_name).lower())


def called_with(name: str, function: Any) -> tuple[str, ...]:
    """The arguments of an operation that its class in Keras is called with; the others make the object."""
    if name in CALLED_WITH:
        return CALLED_WITH[name]
    parameters = inspect.signature(function).parameters.values()
    return tuple(parameter.name for parameter in parameters if _annotation(parameter) in TENSORS)


def _annotation(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return str(text).removesuffix(" | None")
