"""What the tests try: for each function of `keras.ops` some arguments, arrays drawn anew from a seed."""

from __future__ import annotations

import numpy as np

# ruff: noqa: SIM905
rng = np.random.default_rng(7)


def f(*shape, low=-2.0, high=2.0, dtype="float32"):
    return rng.uniform(low, high, shape).astype(dtype)


def i(*shape, low=-4, high=5, dtype="int32"):
    return rng.integers(low, high, shape).astype(dtype)


def b(*shape):
    return rng.integers(0, 2, shape).astype(bool)


def with_nan(*shape):
    x = f(*shape)
    x[rng.random(shape) < 0.3] = np.nan
    return x


def positive(n):
    x = f(n, n)
    return x @ x.T + n * np.eye(n, dtype="float32")


UNARY = (
    "sqrt rsqrt reciprocal log log10 log1p log2 exp exp2 expm1 "
    "sin cos tan sinh cosh tanh arcsinh arctan sinc "
    "square cbrt deg2rad rad2deg i0 erf erfc "
    "floor ceil trunc sign signbit fabs absolute abs angle isfinite isinf isnan isneginf "
    "isposinf isreal logical_not copy nan_to_num round"
).split()
ACTIVATIONS = (
    "relu relu6 sigmoid log_sigmoid hard_sigmoid sparse_sigmoid softplus softsign silu swish hard_silu hard_swish selu "
    "tanh_shrink hard_tanh sparse_plus leaky_relu elu celu gelu squareplus soft_shrink hard_shrink softmax log_softmax "
    "glu"
).split()
BINARY = (
    "add subtract multiply divide true_divide maximum minimum fmax fmin arctan2 logaddexp logaddexp2 logical_and "
    "logical_or logical_xor equal not_equal less less_equal greater greater_equal divide_no_nan isclose hypot"
).split()
REDUCTIONS = "sum mean max min amax amin prod std var ptp logsumexp".split()
NAN_REDUCTIONS = "nansum nanmean nanmax nanmin nanprod nanstd nanvar nanmedian".split()

CASES = []


def case(name, *args, **kwargs):
    CASES.append((name, args, kwargs))


for name in UNARY:
    case(name, f(2, 3, low=0.2))
    if name not in ("nan_to_num", "angle", "round"):
        case(name, i(2, 3, low=1))
for name in ("arcsin", "arccos", "arctanh", "erfinv"):
    case(name, f(2, 3, low=-0.9, high=0.9))
case("arccosh", f(2, 3, low=1.1))
for name in ("absolute", "floor", "ceil", "trunc", "exp", "square", "logical_not", "isnan"):
    case(name, b(2, 3))
for name in ACTIVATIONS:
    case(name, f(3, 4))
case("softmax", f(3, 4), axis=None)
case("softmax", f(3, 4), axis=0)
case("gelu", f(3, 4), approximate=False)
case("threshold", f(3, 4), 0.3, -1.0)
for name in BINARY:
    case(name, f(2, 3), f(3))
    case(name, i(2, 3), f(2, 1))
    case(name, i(2, 3, low=1), i(3, low=1))
    case(name, f(2, 3), 2)
    case(name, f(2, 3), 0.5)
    case(name, i(2, 3), 2)
    case(name, f(2, 3, dtype="float16"), 1.5)
    case(name, 1.5, i(2, 3, low=1))
case("add", b(2, 3), i(2, 3))
case("subtract", b(2, 3), f(2, 3))
case("power", f(2, 3, low=0.2), f(3))
case("power", i(2, 3, low=1), 2)
for name in ("mod", "fmod", "floor_divide"):
    case(name, i(2, 3), i(3, low=1))
    case(name, f(2, 3), 0.7)
case("mod", b(3), np.ones(3, bool))
for name in ("gcd", "lcm", "bitwise_and", "bitwise_or", "bitwise_xor"):
    case(name, i(3, low=1), i(3, low=1))
for name in ("bitwise_left_shift", "bitwise_right_shift", "left_shift", "right_shift"):
    case(name, i(3, low=1), 1)
case("bitwise_not", i(3))
case("bitwise_invert", i(3))
case("heaviside", f(3), f(3))
case("nextafter", f(3, dtype="float64"), f(3, dtype="float64"))
case("ldexp", f(3), i(3))
case("clip", f(2, 3), -0.5, 0.5)
case("clip", i(2, 3), 0, 2)
case("allclose", f(3), f(3))
case("isin", i(5), i(2))
case("where", b(2, 3), f(2, 3), 0.0)
case("where", b(2, 3), i(2, 3), f(3))
case("cast", f(2, 3), "int32")
case("cast", i(2, 3), "float16")
case("cast", i(2, 3), "bool")
case("saturate_cast", f(3, low=-900, high=900), "uint8")
case("stop_gradient", f(3))
case("select", [b(3), b(3)], [f(3), f(3)], 0.5)
for name in REDUCTIONS:
    for axis in (None, 0, -1, (0, 2)):
        case(name, f(2, 3, 4), axis=axis)
    case(name, f(2, 3, 4), axis=1, keepdims=True)
    if name != "logsumexp":
        case(name, i(2, 3), axis=1)
case("sum", b(2, 3), axis=1)
case("mean", b(2, 3))
case("mean", f(3, dtype="float16"))
case("sum", i(3, dtype="int8"))
case("max", f(2, 3), axis=1, initial=0.5)
for name in NAN_REDUCTIONS:
    case(name, with_nan(4, 5), axis=0)
    case(name, with_nan(4, 5))
    case(name, f(2, 3), axis=1, keepdims=True)
for name in ("nanargmax", "nanargmin", "nancumsum", "nancumprod"):
    case(name, with_nan(4, 5), axis=1)
for name in ("all", "any"):
    case(name, b(2, 3), axis=1)
    case(name, i(2, 3), keepdims=True, axis=(0, 1))
for name in ("argmax", "argmin"):
    case(name, f(2, 3))
    case(name, f(2, 3), axis=1, keepdims=True)
for name in ("cumsum", "cumprod"):
    case(name, f(2, 3), axis=1)
    case(name, b(2, 3))
    case(name, i(2, 3), axis=0, dtype="float32")
case("average", f(2, 3), axis=1, weights=f(2, 3, low=0.1))
case("average", f(2, 3))
for name in ("quantile", "nanquantile"):
    case(name, f(5, 4), 0.3, axis=0)
    case(name, f(5, 4), np.array([0.1, 0.6], "float32"), axis=1, keepdims=True)
case("percentile", f(5, 4), 30.0)
case("nanpercentile", f(5, 4), 30.0, axis=1)
case("median", f(4, 4), axis=1)
case("median", i(5))
case("trapezoid", f(2, 5))
case("trapezoid", f(2, 5), x=np.sort(f(5)))
case("diff", f(2, 5), n=2)
case("reshape", f(2, 6), (3, -1))
case("reshape", f(2, 6), -1)
case("broadcast_to", f(1, 3), (4, 3))
case("ravel", f(2, 3))
case("transpose", f(2, 3))
case("transpose", f(2, 3, 4), (0, 2, 1))
case("transpose", f(2, 3, 4), axes=[1, 0, 2])
case("swapaxes", f(2, 3, 4), 1, 2)
case("moveaxis", f(2, 3, 4), 1, -1)
case("moveaxis", f(2, 3, 4), [0, 1], [-1, 0])
case("expand_dims", f(2, 3), 1)
case("expand_dims", f(2, 3), (0, -1))
case("squeeze", f(2, 1, 3), 1)
case("squeeze", f(2, 1, 3))
case("flip", f(2, 3))
case("flip", f(2, 3), axis=1)
case("fliplr", f(2, 3))
case("flipud", f(2, 3))
case("rot90", f(2, 3), 3)
case("roll", f(2, 3), 1, axis=1)
case("repeat", f(2, 3), 2, axis=1)
case("repeat", f(2, 3), 2)
case("tile", f(2, 3), (2, 1))
case("tile", f(2, 3), 2)
for name in ("concatenate", "stack"):
    case(name, [f(2, 3), f(2, 3)], axis=-1)
    case(name, [i(2, 3), f(2, 3)])
for name in ("hstack", "vstack", "dstack"):
    case(name, [f(2, 3), f(2, 3)])
case("append", f(2, 3), f(2, 3), axis=1)
case("append", f(2, 3), f(2))
case("split", f(2, 6), 3, axis=1)
case("split", f(2, 6), [1, 4], axis=1)
case("array_split", f(2, 7), 3, axis=1)
case("hsplit", f(2, 4), 2)
case("vsplit", f(4, 2), 2)
case("dsplit", f(2, 2, 4), 2)
case("unstack", f(2, 3), axis=1)
case("pad", f(2, 3), ((1, 0), (0, 2)))
case("pad", f(2, 3), ((1, 0), (0, 2)), constant_values=3)
case("pad", f(2, 4, 3), ((0, 0), (2, 1), (1, 0)), mode="reflect")
case("diag", f(3))
case("diag", f(3, 3), k=1)
case("diagflat", f(2, 2))
case("diagonal", f(2, 3, 3), axis1=1, axis2=2)
case("tril", f(2, 3, 3), k=1)
case("triu", f(2, 3, 3), k=-1)
case("extract_sequences", f(2, 8), 3, 2)
case("array", [1, 2])
case("array", [1.5, 2], dtype="int32")
case("take", f(4, 3), i(2, 2, low=-3, high=3), axis=0)
case("take", f(4, 3), i(2, low=-3, high=3), axis=1)
case("take", f(4, 3), i(2, 2, low=0, high=9))
case("take", f(4, 3), 1, axis=0)
case("take_along_axis", f(4, 3), i(4, 2, low=-3, high=3), axis=1)
case("one_hot", i(2, 3, low=-1, high=4), 4)
case("one_hot", i(2, 3, low=0, high=4), 4, axis=1, dtype="int32")
case("multi_hot", i(2, 3, low=0, high=4), 5)
case("sort", f(3, 4))
case("sort", f(3, 4), axis=0)
case("argsort", f(3, 4))
case("argsort", f(3, 4), axis=None)
case("top_k", f(3, 5), 2)
case("in_top_k", i(4, low=0, high=5), f(4, 5), 2)
case("searchsorted", np.sort(f(5)), f(3), side="right")
case("digitize", f(5), np.sort(f(3)))
case("bincount", i(6, low=0, high=4), minlength=6)
case("bincount", i(6, low=0, high=4), weights=f(6))
case("nonzero", i(3, 4, low=0, high=2))
case("unique", i(8, low=0, high=3))
case("unravel_index", i(4, low=0, high=11), (3, 4))
case("slice", f(4, 5), (1, 2), (2, 3))
case("slice_update", f(4, 5), (1, 2), f(2, 3))
case("scatter", i(3, 1, low=0, high=4), f(3, 2), (5, 2))
case("scatter_update", f(5, 2), np.array([[1], [3]], "int32"), f(2, 2))
for how in ("add", "max", "min", "mul"):
    case("scatter_update", f(5, 2), np.array([[1], [1]], "int32"), f(2, 2), reduction=how)
    case("scatter_update", f(5, 2), np.array([[1, 0], [1, 1]], "int32"), f(2), reduction=how)
for name in ("segment_sum", "segment_max", "segment_min", "segment_prod"):
    case(name, f(5, 2), np.array([0, 2, 1, 0, 2], "int32"), num_segments=3)
    case(name, f(5), np.array([0, 2, 1, 0, 2], "int32"), 3)
case("get_item", f(4, 3), 1)
case("get_item", f(4, 3), (slice(None), slice(0, 2)))
case("matmul", f(2, 3, 4), f(4, 5))
case("matmul", i(2, 3), i(3))
case("matmul", i(2, 3), f(3, 2))
case("dot", f(2, 3), f(3, 2))
case("dot", f(3), f(3))
case("dot", i(3, dtype="int16"), 2)
case("vdot", f(3), f(3))
case("inner", f(2, 3), f(4, 3))
case("outer", f(2), f(3))
case("kron", f(2, 2), f(2, 3))
case("tensordot", f(2, 3, 4), f(3, 4, 5))
case("tensordot", f(2, 3), f(4, 3), axes=[[1], [1]])
case("einsum", "bij,bjk->bik", f(2, 3, 4), f(2, 4, 2))
case("einsum", "ij->i", i(2, 3))
case("cross", f(2, 3), f(2, 3), axis=1)
case("trace", f(3, 3), offset=1)
for mode in ("valid", "same", "full"):
    case("correlate", f(6), f(3), mode=mode)
case("corrcoef", f(3, 5))
case("cdist", f(3, 2), f(4, 2))
case("cholesky", positive(3))
case("cholesky_inverse", np.tril(positive(3)))
case("det", positive(3))
case("logdet", positive(3))
case("slogdet", positive(3))
case("inv", positive(3))
case("pinv", f(4, 3))
case("lu_factor", positive(3))
case("norm", f(3, 4))
case("norm", f(3, 4), ord=1, axis=1, keepdims=True)
case("norm", f(3, 4), ord="fro", axis=(0, 1))
case("solve", positive(3), f(3, 2))
case("solve_triangular", np.tril(positive(3)), f(3, 2), lower=True)
case("solve_triangular", np.triu(positive(3)), f(3))
case("lstsq", f(5, 3), f(5, 2))
case("matrix_rank", positive(3))
case("svd", f(4, 3), compute_uv=False)
for name in ("fft", "fft2", "ifft2"):
    case(name, (f(4, 6), f(4, 6)))
case("rfft", f(2, 8))
case("rfft", f(2, 8), fft_length=10)
case("irfft", (f(2, 5), f(2, 5)))
case("stft", f(2, 32), 8, 4, 8)
case("stft", f(2, 32), 6, 3, 8, window="hamming", center=False)
case("istft", (f(2, 9, 5), f(2, 9, 5)), 8, 4, 8)
case("moments", f(4, 3), axes=[0])
case("moments", f(2, 3, 4), axes=(0, 1), keepdims=True)
case("batch_normalization", f(2, 3, 4), f(4), f(4, low=0.5), -1, offset=f(4), scale=f(4))
case("batch_normalization", f(2, 3, 4), f(3), f(3, low=0.5), 1)
case("layer_normalization", f(2, 3, 4), f(4), f(4))
case("layer_normalization", f(2, 3, 4), axis=(1, 2), epsilon=0.1)
case("rms_normalization", f(2, 3, 4), f(4))
for order in (1, 2, 3):
    case("normalize", f(2, 3), order=order)
for grouped in (2, 4):
    case("dot_product_attention", f(2, 5, 4, 8), f(2, 6, grouped, 8), f(2, 6, grouped, 8))
case("dot_product_attention", f(2, 5, 2, 8), f(2, 5, 2, 8), f(2, 5, 2, 8), is_causal=True, scale=0.3)
case("dot_product_attention", f(2, 5, 2, 8), f(2, 6, 2, 8), f(2, 6, 2, 8), mask=b(2, 1, 5, 6))
case("dot_product_attention", f(2, 5, 2, 8), f(2, 6, 2, 8), f(2, 6, 2, 8), bias=f(2, 2, 5, 6))
for logits in (True, False):
    case("categorical_crossentropy", f(3, 4, low=0), f(3, 4, low=0.1), from_logits=logits)
    case("sparse_categorical_crossentropy", i(3, low=0, high=4), f(3, 4, low=0.1), from_logits=logits)
    case("binary_crossentropy", f(3, 4, low=0, high=1), f(3, 4, low=0.1, high=0.9), from_logits=logits)
case("sparse_categorical_crossentropy", i(2, 5, low=0, high=3), f(2, 3, 5), from_logits=True, axis=1)
lengths = np.array([2, 3], "int32"), np.array([6, 5], "int32")
case("ctc_loss", i(2, 3, low=1, high=4), f(2, 6, 4), *lengths)
case("psnr", f(2, 3), f(2, 3), 2.0)
for shape, kernel in (((2, 9, 4), (3, 4, 5)), ((2, 7, 8, 4), (3, 2, 2, 6)), ((1, 4, 5, 4, 2), (2, 2, 3, 2, 3))):
    for padding, strides, dilation in (("valid", 1, 1), ("same", 2, 1), ("same", 1, 2), ("valid", 2, 1)):
        if len(kernel) > 4 and dilation > 1:
            continue
        options = {"strides": strides, "padding": padding, "dilation_rate": dilation}
        case("conv", f(*shape), f(*kernel), **options)
        case("depthwise_conv", f(*shape), f(*kernel[:-2], shape[-1], 2), **options)
        case("conv_transpose", f(*shape), f(*kernel[:-2], 3, shape[-1]), **options)
    case("conv", f(shape[0], shape[-1], *shape[1:-1]), f(*kernel), data_format="channels_first")
    for padding in ("valid", "same"):
        case("max_pool", f(*shape), 2, 2, padding=padding)
        case("max_pool", f(*shape), 3, 1, padding=padding)
    case("average_pool", f(*shape), 2, 1)
    case("average_pool", f(*shape), 3, 1, padding="same")
    case("adaptive_average_pool", f(*shape), 2)
    case("adaptive_max_pool", f(*shape), 2)
case("conv_transpose", f(2, 5, 3), f(3, 2, 3), strides=2, output_padding=1)
case("separable_conv", f(2, 6, 6, 3), f(3, 3, 3, 2), f(1, 1, 6, 4))
case("unfold", f(2, 3, 5, 5), 2)
case("fold", f(2, 12, 16), 5, 2)
for layout in ("channels_last", "channels_first"):
    case("depth_to_space", f(2, 4, 8, 4), 2, data_format=layout)
    case("space_to_depth", f(2, 4, 8, 4), 2, data_format=layout)
case("zeros", (2, 3))
case("ones", (2, 3), dtype="int32")
case("full", (2, 3), 7)
case("full", (2, 3), 1.5)
case("zeros_like", i(2, 3))
case("ones_like", f(2, 3), dtype="int32")
case("full_like", f(2, 3), 2)
case("eye", 3, 4, k=1)
case("identity", 3)
case("tri", 3, 4, k=-1)
case("vander", f(3), N=4)
for span in ((5,), (1, 5), (0, 2, 0.5), (5, 0, -2)):
    case("arange", *span)
case("arange", 3, dtype="float32")
case("linspace", 0, 1, 5)
case("linspace", 0.0, 1.0, 4, endpoint=False)
case("linspace", f(3), f(3), 4)
case("logspace", 0, 2, 5)
case("geomspace", 1.0, 8.0, 4)
for name in ("bartlett", "blackman", "hamming", "hanning"):
    case(name, 5)
case("kaiser", 5, 2.0)
case("meshgrid", f(2), f(3))
case("image.resize", f(2, 6, 8, 3), (4, 5))
for how in ("nearest", "bicubic"):
    case("image.resize", f(2, 6, 8, 3), (9, 4), interpolation=how)
case("image.resize", f(6, 8, 3), (4, 4), crop_to_aspect_ratio=True)
case("image.resize", f(6, 8, 3), (4, 4), pad_to_aspect_ratio=True, fill_value=0.5)
case("image.resize", i(6, 8, 3, low=0, high=256, dtype="uint8"), (4, 4), antialias=True)
case("image.rgb_to_grayscale", f(2, 4, 4, 3))
case("image.rgb_to_hsv", f(2, 4, 4, 3, low=0.01, high=1))
case("image.hsv_to_rgb", f(2, 4, 4, 3, low=0.01, high=1))
case("image.crop_images", f(2, 6, 8, 3), 1, 2, target_height=3, target_width=4)
case("image.pad_images", f(2, 4, 4, 3), 1, 2, target_height=7, target_width=8)
case("image.extract_patches", f(2, 6, 6, 2), 3, strides=2)
case("image.extract_patches", f(2, 6, 6, 2), (2, 3), padding="same")
turn = np.array([0.9, 0.2, 0.5, -0.2, 0.9, 1.0, 0, 0], "float32")
for how in ("constant", "nearest", "wrap", "mirror", "reflect"):
    case("image.affine_transform", f(2, 6, 6, 2), np.stack([turn, turn]), fill_mode=how)
    case("image.map_coordinates", f(5, 6), f(2, 4, low=-3, high=8), 1, fill_mode=how)
case("image.map_coordinates", f(5, 6), f(2, 4, low=0, high=4), 0)
case("image.gaussian_blur", f(2, 6, 6, 3), data_format="channels_last")
case("image.sobel_edges", f(2, 6, 6, 3), data_format="channels_last")
