"""Every layer of Keras that is no random one, with arguments and shapes drawn from a seed."""

import numpy as np

ACTIVATIONS = [None, "relu", "tanh", "sigmoid", "softplus", "elu", "gelu", "swish"]
STARTS = ["glorot_uniform", "he_normal", "lecun_uniform", "ones", "random_normal"]


class Draw:
    """Choices from a seed."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def one(self, *values):
        return values[int(self.rng.integers(len(values)))]

    def number(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def sides(self, rank, low, high):
        """One number, or one for each axis."""
        return self.number(low, high) if self.one(True, False) else tuple(self.number(low, high) for _ in range(rank))

    def some(self, **choices):
        """Some of these arguments, each with one of its values; others keep their default."""
        return {name: self.one(*values) for name, values in choices.items() if self.one(True, False)}


def image(d, rank, channels=None, least=4):
    return (*(d.number(least, 7) for _ in range(rank)), channels or d.number(1, 4))


def kernel_arguments(d):
    return d.some(activation=ACTIVATIONS, use_bias=[True, False], kernel_initializer=STARTS, bias_initializer=["ones"])


def strided(d, rank):
    """Strides or dilation, of which a convolution takes one."""
    which = d.one("strides", "dilation_rate", None)
    return {} if which is None else {which: d.number(2, 3) if which == "strides" else 2}


def convolution(rank, causal=False):
    def make(d):
        groups = d.one(1, 1, 2)
        padding = d.one("valid", "same", *(["causal"] if causal else []))
        arguments = {"filters": 2 * groups, "kernel_size": d.sides(rank, 1, 3), "padding": padding, "groups": groups}
        arguments |= kernel_arguments(d) | strided(d, rank)
        return arguments, [image(d, rank, 2 * groups, 5)]

    return make


def transposed(rank):
    def make(d):
        arguments = {"filters": d.number(1, 3), "kernel_size": d.sides(rank, 1, 3), "padding": d.one("valid", "same")}
        return arguments | kernel_arguments(d) | d.some(strides=[1, 2, 3]), [image(d, rank)]

    return make


def depthwise(rank):
    def make(d):
        arguments = {"kernel_size": d.number(1, 3), "padding": d.one("valid", "same")} | strided(d, rank)
        more = d.some(depth_multiplier=[1, 2], activation=ACTIVATIONS, use_bias=[True, False])
        return arguments | more, [image(d, rank, least=5)]

    return make


def separable(rank):
    def make(d):
        arguments, shapes = depthwise(rank)(d)
        return arguments | {"filters": d.number(1, 4)}, shapes

    return make


def pooling(rank, average=False):
    def make(d):
        # On PyTorch Keras repeats borders in averages of padded windows.
        padding = "valid" if average else d.one("valid", "same")
        arguments = {"pool_size": d.sides(rank, 1, 3), "padding": padding}
        return arguments | d.some(strides=[1, 2, 3]), [image(d, rank)]

    return make


def global_pooling(rank):
    return lambda d: (d.some(keepdims=[True, False]), [image(d, rank)])


def adaptive(rank):
    return lambda d: ({"output_size": d.sides(rank, 1, 4)}, [image(d, rank)])


def borders(name, rank, most):
    def make(d):
        sides = [d.one(d.number(0, most), (d.number(0, most), d.number(0, most))) for _ in range(rank)]
        value = sides[0] if rank == 1 else d.one(d.number(0, most), tuple(sides))
        return {name: value}, [image(d, rank)]

    return make


def upsampling(rank):
    def make(d):
        more = d.some(interpolation=["nearest", "bilinear"]) if rank == 2 else {}
        return {"size": d.number(1, 3) if rank == 1 else d.sides(rank, 1, 3)} | more, [image(d, rank)]

    return make


def merging(d):
    shape = image(d, d.number(0, 2))
    return {}, [shape] * d.number(2, 4)


def two(d):
    return {}, [image(d, d.number(0, 2))] * 2


def recurrent(**choices):
    def make(d):
        arguments = {"units": d.number(1, 4), "return_sequences": d.one(True, False)}
        arguments |= d.some(
            activation=ACTIVATIONS, use_bias=[True, False], go_backwards=[True, False], unroll=[True, False],
            kernel_initializer=STARTS, recurrent_initializer=["glorot_uniform"], **choices,
        )  # fmt: skip
        return arguments, [(d.number(2, 5), d.number(1, 4))]

    return make


def convolutional_recurrent(rank):
    def make(d):
        arguments = {"filters": d.number(1, 3), "kernel_size": d.number(1, 3), "padding": d.one("valid", "same")}
        more = d.some(return_sequences=[True], use_bias=[False], unit_forget_bias=[False], go_backwards=[True])
        return arguments | more, [(d.number(2, 3), *image(d, rank))]

    return make


def cell(d):
    return d.one(
        lambda of: of.SimpleRNNCell(3), lambda of: of.LSTMCell(2, use_bias=False), lambda of: of.GRUCell(3),
        lambda of: of.GRUCell(2, reset_after=False),
    )  # fmt: skip


def attention(d):
    steps, wide = d.number(2, 4), d.number(2, 4)
    arguments = d.some(use_scale=[True, False], score_mode=["dot", "concat"])
    return arguments, [(d.number(2, 4), wide), (steps, wide)]


def normalized(name):
    def make(d):
        shape = image(d, d.number(0, 2), 4)
        arguments = {} if name == "UnitNormalization" else d.some(epsilon=[1e-2, 1e-5])
        if name == "GroupNormalization":
            shape, arguments = image(d, d.number(1, 2), 4), arguments | {"groups": d.one(1, 2, 4, -1)}
        if name in ("BatchNormalization", "LayerNormalization", "GroupNormalization"):
            arguments |= d.some(center=[False], scale=[False], beta_initializer=["ones"])
        if name == "BatchNormalization":
            arguments |= d.some(momentum=[0.5], renorm=[False])
        return arguments, [shape]

    return make


def einsum(d):
    equation, shape, out = d.one(
        ("ab,bc->ac", (3,), 4), ("abc,cd->abd", (2, 3), (2, 4)), ("abc,cde->abde", (2, 3), (2, 2, 4)),
        ("...x,xy->...y", (2, 3), 4),
    )  # fmt: skip
    return {"equation": equation, "output_shape": out} | d.some(activation=ACTIVATIONS, bias_axes=[equation[-1]]), [
        shape
    ]


def dense(d):
    arguments = {"units": d.number(1, 5)} | kernel_arguments(d)
    arguments |= d.some(
        kernel_regularizer=["l1", "l2"], kernel_constraint=["non_neg", "unit_norm", "max_norm"],
        activity_regularizer=["l2"],
    )  # fmt: skip
    return arguments, [image(d, d.number(0, 2))]


def each_step(d):
    made = d.one(lambda of: of.Dense(3, activation="tanh"), lambda of: of.Conv1D(2, 2), lambda of: of.Flatten())
    return {"layer": made}, [image(d, 2)]


# Layers inside of others: the arguments that are functions of `layers`.
INSIDE = {"layer", "cell"}


def bidirectional(d):
    kind, units = d.one("LSTM", "GRU", "SimpleRNN"), d.number(1, 3)
    sequences = d.one(True, False)
    arguments = {"layer": lambda of: getattr(of, kind)(units, return_sequences=sequences)}
    return arguments | d.some(merge_mode=["sum", "mul", "ave", "concat"]), [(d.number(2, 4), d.number(1, 3))]


CASES = {
    "Dense": dense,
    "EinsumDense": einsum,
    "Activation": lambda d: ({"activation": d.one(*ACTIVATIONS[1:])}, [image(d, d.number(0, 2))]),
    "ActivityRegularization": lambda d: (d.some(l1=[0.01], l2=[0.02]), [image(d, d.number(0, 2))]),
    "Identity": lambda d: ({}, [image(d, d.number(0, 2))]),
    "ReLU": lambda d: (d.some(max_value=[0.5, 6.0], negative_slope=[0.1], threshold=[0.2]), [image(d, 1)]),
    "LeakyReLU": lambda d: (d.some(negative_slope=[0.01, 0.5]), [image(d, 1)]),
    "ELU": lambda d: (d.some(alpha=[0.3, 2.0]), [image(d, 1)]),
    "PReLU": lambda d: (d.some(alpha_initializer=["ones", "random_normal"], shared_axes=[[1]]), [image(d, 1)]),
    "Softmax": lambda d: (d.some(axis=[1, -1, [1, 2]]), [image(d, 1, 3)]),
    "Flatten": lambda d: (d.some(data_format=["channels_first"]), [image(d, d.number(0, 3))]),
    "Reshape": lambda d: ({"target_shape": d.one((-1,), (2, -1), (3, 4), (1, 12))}, [d.one((12,), (3, 4), (2, 3, 2))]),
    "Permute": lambda d: ({"dims": d.one((2, 1, 3), (3, 1, 2), (3, 2, 1))}, [image(d, 2)]),
    "RepeatVector": lambda d: ({"n": d.number(1, 4)}, [(d.number(1, 4),)]),
    "Rescaling": lambda d: ({"scale": d.one(0.5, 1 / 255)} | d.some(offset=[-1.0, 2.0]), [image(d, 2)]),
    "Normalization": lambda d: (
        {"axis": -1, "mean": [1.0, 2.0], "variance": [1.0, 4.0]} | d.some(invert=[True]),
        [image(d, d.number(0, 2), 2)],
    ),
    "CenterCrop": lambda d: ({"height": d.number(2, 6), "width": d.number(2, 6)}, [image(d, 2, 3)]),
    "Resizing": lambda d: (
        {"height": d.number(2, 9), "width": d.number(2, 9)} | d.some(interpolation=["nearest", "bilinear"],
                                                                   crop_to_aspect_ratio=[True]),
        [image(d, 2, 3)],
    ),
    "Embedding": lambda d: (
        {"input_dim": 7, "output_dim": d.number(1, 4)} | d.some(embeddings_initializer=STARTS,
                                                                embeddings_constraint=["unit_norm"]),
        [(d.number(1, 5),)],
    ),
    "Masking": lambda d: ({"mask_value": d.one(0.0, 1.0)}, [image(d, 1)]),
    "TimeDistributed": each_step,
    "Bidirectional": bidirectional,
    "SimpleRNN": recurrent(),
    "LSTM": recurrent(recurrent_activation=["hard_sigmoid"], unit_forget_bias=[False]),
    "GRU": recurrent(recurrent_activation=["hard_sigmoid"], reset_after=[False]),
    "RNN": lambda d: ({"cell": cell(d), "return_sequences": d.one(True, False)}, [(d.number(2, 4), d.number(1, 3))]),
    "StackedRNNCells": lambda d: (
        {"cell": (lambda one, two: lambda of: of.StackedRNNCells([one(of), two(of)]))(cell(d), cell(d))},
        [(d.number(2, 4), d.number(1, 3))],
    ),
    "Add": merging, "Multiply": merging, "Average": merging, "Maximum": merging, "Minimum": merging, "Subtract": two,
    "Concatenate": lambda d: (d.some(axis=[-1, 1]), [(2, 3)] * d.number(2, 3)),
    "Dot": lambda d: ({"axes": d.one(1, (1, 2), -1)} | d.some(normalize=[True]), [(3, 3), (3, 3)]),
    "Attention": attention,
    "AdditiveAttention": lambda d: (d.some(use_scale=[False]), attention(d)[1]),
    "MultiHeadAttention": lambda d: (
        {"num_heads": d.number(1, 3), "key_dim": d.number(1, 4)} | d.some(value_dim=[2, 3], use_bias=[False],
                                                                         output_shape=[3]),
        [(d.number(2, 4), 4), (d.number(2, 4), 4)],
    ),
    "GroupQueryAttention": lambda d: (
        {"head_dim": d.number(1, 3), "num_query_heads": 4, "num_key_value_heads": d.one(1, 2, 4)}
        | d.some(use_bias=[False]),
        [(d.number(2, 4), 4), (d.number(2, 4), 4)],
    ),
    "SpectralNormalization": lambda d: (
        {"layer": d.one(lambda of: of.Dense(3), lambda of: of.Dense(2, use_bias=False))}, [(d.number(2, 5),)],
    ),
    **{name: normalized(name) for name in (
        "BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization")},
    **{f"Conv{rank}D": convolution(rank, rank == 1) for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": transposed(rank) for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": depthwise(rank) for rank in (1, 2)},
    **{f"SeparableConv{rank}D": separable(rank) for rank in (1, 2)},
    **{f"MaxPooling{rank}D": pooling(rank) for rank in (1, 2, 3)},
    **{f"AveragePooling{rank}D": pooling(rank, True) for rank in (1, 2, 3)},
    **{f"Global{kind}Pooling{rank}D": global_pooling(rank) for kind in ("Max", "Average") for rank in (1, 2, 3)},
    **{f"Adaptive{kind}Pooling{rank}D": adaptive(rank) for kind in ("Max", "Average") for rank in (1, 2, 3)},
    **{f"ZeroPadding{rank}D": borders("padding", rank, 3) for rank in (1, 2, 3)},
    **{f"Cropping{rank}D": borders("cropping", rank, 1) for rank in (1, 2, 3)},
    **{f"UpSampling{rank}D": upsampling(rank) for rank in (1, 2, 3)},
    **{f"ConvLSTM{rank}D": convolutional_recurrent(rank) for rank in (1, 2, 3)},
}  # fmt: skip

# Called with their inputs one by one.
BY_ARGUMENT = ("MultiHeadAttention", "GroupQueryAttention")
# Sequences in front of which a mask may stand.
MASKED = ("SimpleRNN", "LSTM", "GRU", "Bidirectional", "TimeDistributed", "GlobalAveragePooling1D", "Attention")


class Case:
    """A layer of one name with arguments from a seed, made by either library."""

    def __init__(self, name, seed):
        self.name, d = name, Draw([seed, *name.encode()])
        self.arguments, self.shapes = CASES[name](d)
        self.masked = name in MASKED and d.one(True, False)
        # A layer inside of another has a type of its own; float32 is none that is told.
        self.dtype = d.one(None, None, "float64") if self._is_alone() else None
        self.rng = d.rng

    def _is_alone(self):
        return not (self.masked or self.name == "Embedding" or INSIDE & self.arguments.keys())

    def net(self, of, dtype=None):
        """A net of the layer and a Dense layer behind it."""
        layers, kind = of.layers, "RNN" if self.name == "StackedRNNCells" else self.name
        given = {key: value(layers) if key in INSIDE else value for key, value in self.arguments.items()}
        layer = getattr(layers, kind)(**given, **({} if dtype is None else {"dtype": dtype}))
        inputs = [layers.Input(shape, dtype=dtype) for shape in self.shapes]
        values = [layers.Masking(0.0)(x) for x in inputs] if self.masked else inputs
        y = layer(*values) if self.name in BY_ARGUMENT else layer(values if len(values) > 1 else values[0])
        y = layers.Flatten(dtype=dtype)(y)
        return of.Model(inputs if len(inputs) > 1 else inputs[0], layers.Dense(2, dtype=dtype)(y))

    def inputs(self, rows=12):
        """Arrays for the net; masked steps are zeros at the end."""
        if self.name == "Embedding":
            return [self.rng.integers(0, 7, (rows, *self.shapes[0]))]
        found = [self.rng.normal(size=(rows, *shape)).astype("float32") for shape in self.shapes]
        for array in found if self.masked else []:
            lengths = self.rng.integers(1, array.shape[1] + 1, rows)
            array[np.arange(array.shape[1]) >= lengths[:, None]] = 0
        return found
