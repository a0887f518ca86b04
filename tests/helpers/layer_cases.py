"""Layers with arguments, and the shapes of what they take: what the harness of layers runs through."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import handson
from handson.core import registry


@dataclass(frozen=True)
class Case:
    """A layer with arguments, and the shape of a sample that it takes; a list of shapes for several inputs."""

    name: str
    shape: tuple[int, ...] | list[tuple[int, ...]]
    arguments: dict[str, Any] = field(default_factory=dict)
    # The layer of Keras that does the same; by default that of the same name.
    peer: str | None = ""
    random: bool = False
    # Layers among the arguments, made by a function of `handson.layers` or `keras.layers`.
    inside: dict[str, Any] = field(default_factory=dict)
    # Inputs are ids below this number.
    ids: int | None = None
    # Several inputs are arguments of the call, by these names, and not a list.
    names: tuple[str, ...] = ()
    # Whether training changes its weights.
    trains: bool = True

    def __str__(self) -> str:
        # A function has an address in its repr, and the names of tests are the same in every process.
        arguments = [f"{name}={getattr(value, '__name__', value)}" for name, value in self.arguments.items()]
        return "-".join([self.name, "x".join(map(str, self.shape)), *arguments, *self.inside])

    @property
    def samples(self) -> list[tuple[int, ...]]:
        """The shapes of a sample of each input."""
        return [self.shape] if isinstance(self.shape, tuple) else self.shape

    @property
    def shapes(self) -> Any:
        """The shape of a batch, or a list or dictionary of them."""
        return self.arranged([(None, *shape) for shape in self.samples])

    def arranged(self, each: list[Any]) -> Any:
        """What there is for each input, as `build` takes it."""
        if self.names:
            return {f"{name}_shape": one for name, one in zip(self.names, each, strict=True)}
        return each[0] if isinstance(self.shape, tuple) else each

    def run(self, layer: Any, inputs: Any, **more: Any) -> Any:
        return layer(*inputs, **more) if self.names else layer(inputs, **more)

    def make(self, **more: Any) -> Any:
        inside = {name: make(handson.layers) for name, make in self.inside.items()}
        return registry.find("layer", self.name)(**self.arguments | inside | more)

    def built(self, key: int = 1, **more: Any) -> Any:
        layer = self.make(**more)
        layer.ensure_built(self.shapes, key)
        return layer

    def filled(self) -> Any:
        """Built, with weights that are neither zeros nor ones."""
        layer = self.built()
        rng = np.random.default_rng(2)
        layer.set_weights([rng.uniform(0.2, 0.9, weight.shape).astype("float32") for weight in layer.get_weights()])
        return layer

    def inputs(self, rows: int = 6, seed: int = 0) -> Any:
        rng, shapes = np.random.default_rng(seed), [(rows, *shape) for shape in self.samples]
        if self.ids is not None:
            return torch.tensor(rng.integers(self.ids, size=shapes[0]))
        made = [torch.tensor(rng.normal(size=shape), dtype=torch.float32) for shape in shapes]
        return made[0] if isinstance(self.shape, tuple) else made

    def keras(self, keras: Any) -> Any:
        inside = {name: make(keras.layers) for name, make in self.inside.items()}
        layer = getattr(keras.layers, self.peer or self.name)(**self.arguments | inside if self.peer == "" else {})
        layer.build(**self.shapes) if self.names else layer.build(self.shapes)
        return layer


IMAGE = (6, 7, 4)
QUERY_VALUE = ("query", "value")
VOLUME = (4, 5, 6, 2)
COLOURS = (6, 7, 3)
CASES = [
    Case("InputLayer", (4,), {"shape": (4,)}, peer="Identity"),
    Case("Dense", (40,), {"units": 30}),
    Case("Dense", (5,), {"units": 3, "activation": "softmax", "use_bias": False}),
    Case("Dense", (4, 2, 5), {"units": 3, "kernel_initializer": "he_normal", "bias_initializer": "ones"}),
    Case("Dense", (5,), {"units": 3, "activity_regularizer": "l2", "kernel_constraint": "non_neg"}),
    Case("Identity", IMAGE),
    Case("ActivityRegularization", (5,), {"l1": 0.1, "l2": 0.2}),
    Case("Activation", (5,), {"activation": "elu"}),
    Case("Activation", IMAGE, {"activation": "softmax"}),
    Case("ReLU", IMAGE),
    Case("ReLU", (5,), {"max_value": 0.7, "negative_slope": 0.2, "threshold": 0.3}),
    Case("ReLU", (5,), {"max_value": 6, "threshold": 0.3}),
    Case("ReLU", (5,), {"negative_slope": 0.2}),
    Case("LeakyReLU", (5,)),
    Case("LeakyReLU", IMAGE, {"negative_slope": 0.01}),
    Case("ELU", IMAGE, {"alpha": 0.4}),
    Case("PReLU", (3, 4), {"alpha_initializer": "random_normal"}),
    Case("PReLU", IMAGE, {"shared_axes": [1, 2], "alpha_regularizer": "l1", "alpha_constraint": "non_neg"}),
    Case("PReLU", (3, 4), {"shared_axes": 1, "alpha_initializer": "ones"}),
    Case("Softmax", (5,)),
    Case("Softmax", IMAGE, {"axis": 2}),
    Case("Softmax", IMAGE, {"axis": [1, -1]}),
    Case("Lambda", (5,), {"function": handson.ops.square}),
    Case("Lambda", IMAGE, {"function": handson.ops.mean, "arguments": {"axis": 1}, "output_shape": (7, 4)}),
    Case("Permute", IMAGE, {"dims": (3, 1, 2)}),
    Case("RepeatVector", (5,), {"n": 3}),
    Case("GaussianNoise", (50,), {"stddev": 0.4}, random=True),
    Case("GaussianDropout", IMAGE, {"rate": 0.4, "seed": 3}, random=True),
    Case("AlphaDropout", IMAGE, {"rate": 0.4, "noise_shape": (None, 1, None, 1)}, random=True),
    Case("SpatialDropout1D", (2, 40), {"rate": 0.4}, random=True),
    Case("SpatialDropout3D", (2, 3, 2, 40), {"rate": 0.4, "seed": 3}, random=True),
    Case("SpatialDropout3D", (40, 3, 2, 2), {"rate": 0.4, "data_format": "channels_first"}, random=True),
    Case("Flatten", IMAGE),
    Case("Flatten", IMAGE, {"data_format": "channels_first"}),
    Case("Flatten", ()),
    Case("Reshape", IMAGE, {"target_shape": (4, -1)}),
    Case("Reshape", (6,), {"target_shape": (3, 2, 1)}),
    Case("Rescaling", IMAGE, {"scale": 0.5, "offset": -1.0}),
    Case("Rescaling", IMAGE, {"scale": [1.0, 2.0, 3.0, 4.0], "offset": [0.0, 1.0, 0.0, 1.0]}),
    Case("Conv2D", (9, 9, 8), {"filters": 16, "kernel_size": 3}),
    Case("Conv2D", IMAGE, {"filters": 3, "kernel_size": (2, 3), "strides": 2, "padding": "same", "use_bias": False}),
    Case("Conv2D", IMAGE, {"filters": 6, "kernel_size": 3, "groups": 2, "activation": "tanh", "padding": "same"}),
    Case("Conv2D", IMAGE, {"filters": 3, "kernel_size": 2, "dilation_rate": (2, 3), "padding": "same"}),
    Case("Conv2D", (4, 6, 7), {"filters": 3, "kernel_size": 2, "padding": "same", "data_format": "channels_first"}),
    Case("Conv1D", (9, 4), {"filters": 5, "kernel_size": 3}),
    Case("Conv1D", (9, 4), {"filters": 6, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "groups": 2}),
    Case("Conv1D", (4, 9), {"filters": 3, "kernel_size": 2, "padding": "causal", "data_format": "channels_first"}),
    Case("Conv3D", VOLUME, {"filters": 3, "kernel_size": (1, 2, 3), "strides": 2, "padding": "same"}),
    Case("Conv3D", VOLUME, {"filters": 3, "kernel_size": 2, "activation": "tanh", "use_bias": False}),
    Case("Conv1DTranspose", (5, 4), {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}),
    Case("Conv2DTranspose", IMAGE, {"filters": 3, "kernel_size": (2, 3), "strides": 2, "output_padding": 1}),
    Case("Conv2DTranspose", IMAGE, {"filters": 3, "kernel_size": 3, "dilation_rate": 2, "activation": "elu"}),
    Case("Conv3DTranspose", VOLUME, {"filters": 2, "kernel_size": 2, "strides": (1, 2, 3), "padding": "same"}),
    Case("DepthwiseConv1D", (9, 4), {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}),
    Case("DepthwiseConv2D", IMAGE, {"kernel_size": 3, "strides": 2, "depth_multiplier": 2}),
    Case("DepthwiseConv2D", (4, 6, 7), {"kernel_size": 2, "data_format": "channels_first", "use_bias": False}),
    Case("SeparableConv1D", (9, 4), {"filters": 5, "kernel_size": 3, "depth_multiplier": 2, "activation": "relu"}),
    Case("SeparableConv2D", IMAGE, {"filters": 5, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}),
    Case("MaxPooling1D", (9, 4), {"pool_size": 3, "strides": 2, "padding": "same"}),
    Case("MaxPooling2D", IMAGE),
    Case("MaxPooling3D", VOLUME, {"data_format": "channels_first"}),
    Case("AveragePooling1D", (9, 4), {"pool_size": 3, "strides": 1, "padding": "same"}),
    Case("AveragePooling3D", VOLUME, {"pool_size": (1, 2, 2)}),
    Case("AdaptiveAveragePooling1D", (9, 4), {"output_size": 4}),
    Case("AdaptiveAveragePooling2D", IMAGE, {"output_size": (2, 3)}),
    Case("AdaptiveAveragePooling3D", VOLUME, {"output_size": 2}),
    Case("AdaptiveMaxPooling1D", (9, 4), {"output_size": 4}),
    Case("AdaptiveMaxPooling2D", IMAGE, {"output_size": 2, "data_format": "channels_first"}),
    Case("AdaptiveMaxPooling3D", VOLUME, {"output_size": (1, 2, 3)}),
    Case("GlobalAveragePooling1D", (9, 4)),
    Case("GlobalAveragePooling3D", VOLUME, {"data_format": "channels_first", "keepdims": True}),
    Case("GlobalMaxPooling1D", (9, 4), {"keepdims": True}),
    Case("GlobalMaxPooling3D", VOLUME),
    Case("ZeroPadding1D", (9, 4), {"padding": (2, 0)}),
    Case("ZeroPadding2D", IMAGE, {"padding": ((1, 0), (2, 3)), "data_format": "channels_first"}),
    Case("ZeroPadding3D", VOLUME),
    Case("Cropping1D", (9, 4), {"cropping": (2, 0)}),
    Case("Cropping2D", IMAGE, {"cropping": (1, (0, 3))}),
    Case("Cropping3D", VOLUME, {"cropping": ((1, 0), 0, (0, 2))}),
    Case("UpSampling1D", (9, 4), {"size": 3}),
    Case("UpSampling2D", IMAGE, {"size": (1, 3), "data_format": "channels_first"}),
    Case("UpSampling2D", IMAGE, {"interpolation": "bicubic"}),
    Case("UpSampling3D", VOLUME, {"size": (1, 2, 3)}),
    Case("CenterCrop", IMAGE, {"height": 3, "width": 4}),
    Case("CenterCrop", IMAGE, {"height": 8, "width": 4}),
    Case("Resizing", IMAGE, {"height": 9, "width": 4}),
    Case("Resizing", IMAGE, {"height": 3, "width": 9, "interpolation": "nearest", "crop_to_aspect_ratio": True}),
    Case("MaxPooling2D", IMAGE, {"pool_size": (2, 3), "strides": 2, "padding": "same"}),
    Case("AveragePooling2D", IMAGE, {"pool_size": 2}),
    Case("AveragePooling2D", IMAGE, {"pool_size": 3, "strides": 1, "padding": "same"}),
    Case("GlobalAveragePooling2D", IMAGE),
    Case("GlobalAveragePooling2D", IMAGE, {"keepdims": True}),
    Case("GlobalMaxPooling2D", IMAGE),
    Case("GlobalMaxPooling2D", IMAGE, {"keepdims": True}),
    Case("SpatialSoftArgmax2D", IMAGE, peer=None),
    Case("GaussianDensity", (40,), {"units": 15}, peer=None),
    Case("LaplaceDensity", (40,), {"units": 15}, peer=None),
    Case("StudentTDensity", (40,), {"units": 10}, peer=None),
    Case("MixtureDensity", (40,), {"components": 3, "units": 4}, peer=None),
    Case("EvidentialDensity", (40,), {"units": 8, "kernel_regularizer": "l2"}, peer=None),
    Case("OrdinalBins", (40,), {"edges": [0.0, 1.0, 2.5, 3.0], "units": 8}, peer=None),
    Case("QuantileHead", (40,), {"levels": [0.1, 0.5, 0.9], "units": 8}, peer=None),
    Case("BatchNormalization", (5,)),
    Case("BatchNormalization", IMAGE, {"momentum": 0.7, "epsilon": 0.1}),
    Case("BatchNormalization", (3, 5), {"axis": 1, "center": False}),
    Case("BatchNormalization", (3, 5), {"scale": False, "moving_mean_initializer": "ones"}),
    Case("LayerNormalization", (5,)),
    Case("LayerNormalization", IMAGE, {"axis": [1, 2, 3], "center": False, "scale": False}),
    Case("LayerNormalization", IMAGE, {"axis": (2, 3), "epsilon": 0.1}),
    Case("BatchNormalization", (5,), {"renorm": True, "renorm_clipping": {"rmax": 1.2, "dmax": 0.5}}),
    Case("GroupNormalization", IMAGE, {"groups": 2}),
    Case("GroupNormalization", IMAGE, {"groups": 3, "axis": 1, "scale": False, "epsilon": 0.1}),
    Case("RMSNormalization", (5,)),
    Case("RMSNormalization", IMAGE, {"axis": (2, 3), "epsilon": 0.1}),
    Case("UnitNormalization", (5,)),
    Case("UnitNormalization", IMAGE, {"axis": [1, 3]}),
    Case("SpectralNormalization", (5,), {"power_iterations": 2}, peer=None, inside={"layer": lambda of: of.Dense(3)}),
    Case("Normalization", (5,), trains=False),
    Case("Normalization", IMAGE, {"axis": (1, 3)}, trains=False),
    Case("Normalization", IMAGE, {"axis": -1, "mean": [1.0, 2.0, 3.0, 4.0], "variance": [4.0, 1.0, 9.0, 0.5]}),
    Case("Normalization", (5,), {"axis": None, "mean": 3.0, "variance": 4.0, "invert": True}, peer=None),
    Case("EinsumDense", (5,), {"equation": "ab,bc->ac", "output_shape": 7, "bias_axes": "c"}),
    Case("EinsumDense", (3, 5), {"equation": "abc,cde->abde", "output_shape": (None, 2, 6), "bias_axes": "de"}),
    Case("EinsumDense", (3, 2, 5), {"equation": "...x,xy->...y", "output_shape": 4, "activation": "tanh"}),
    Case("EinsumDense", (3, 2, 5), {"equation": "ab...,bc->ac...", "output_shape": 4, "bias_axes": "c"}),
    Case("EinsumDense", (3, 5), {"equation": "abc,bcd->abd", "output_shape": (3, 4), "bias_axes": "b"}),
    *(Case(name, [(4, 3), (3,), (1, 3)]) for name in ("Add", "Multiply", "Average", "Maximum", "Minimum")),
    Case("Subtract", [(4, 3), (4, 1)]),
    Case("Concatenate", [(4, 3), (4, 2)]),
    Case("Concatenate", [(4, 3), (2, 3), (1, 3)], {"axis": 1}),
    Case("Dot", [(4, 3), (5, 4)], {"axes": (1, 2)}),
    Case("Dot", [(4,), (4,)], {"axes": 1, "normalize": True}),
    Case("Dot", [(2, 4, 3), (3,)], {"axes": -1}),
    Case("Attention", [(4, 3), (5, 3)], {"use_scale": True}),
    Case("Attention", [(4, 3), (5, 2), (5, 3)], {"use_scale": True, "score_mode": "concat"}),
    Case("Attention", [(4, 3), (5, 3)], {"dropout": 0.3, "seed": 1}, random=True),
    Case("AdditiveAttention", [(4, 3), (5, 3)]),
    Case("AdditiveAttention", [(4, 3), (5, 2), (5, 3)], {"use_scale": False}),
    Case("AdditiveAttention", [(4, 3), (5, 3)], {"dropout": 0.3, "seed": 1}, random=True),
    Case("MultiHeadAttention", [(4, 8), (5, 6)], {"num_heads": 2, "key_dim": 3}, names=QUERY_VALUE),
    Case(
        "MultiHeadAttention",
        [(4, 8), (5, 6), (5, 7)],
        {"num_heads": 2, "key_dim": 3, "value_dim": 4, "output_shape": (2, 5), "use_bias": False, "sliding_window": 3},
        names=(*QUERY_VALUE, "key"),
    ),
    Case(
        "MultiHeadAttention",
        [(4, 2, 8), (4, 3, 8)],
        {"num_heads": 2, "key_dim": 3, "attention_axes": 2, "use_gate": True},
        names=QUERY_VALUE,
    ),
    Case(
        "MultiHeadAttention",
        [(4, 8), (5, 8)],
        {"num_heads": 2, "key_dim": 3, "dropout": 0.3, "seed": 1},
        random=True,
        names=QUERY_VALUE,
    ),
    Case(
        "GroupQueryAttention",
        [(4, 8), (5, 8)],
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
        names=QUERY_VALUE,
    ),
    Case(
        "GroupQueryAttention",
        [(4, 8), (5, 8)],
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 1, "use_gate": True, "dropout": 0.2, "seed": 1},
        random=True,
        names=QUERY_VALUE,
    ),
    Case("Dropout", (50,), {"rate": 0.4}, random=True),
    Case("Dropout", IMAGE, {"rate": 0.4, "noise_shape": (None, 1, None, 1), "seed": 3}, random=True),
    Case("SpatialDropout2D", (2, 3, 40), {"rate": 0.4, "seed": 3}, random=True),
    Case("LSTM", (5, 7), {"units": 9}),
    Case("LSTM", (5, 2), {"units": 3, "return_sequences": True, "unit_forget_bias": False, "use_bias": False}),
    Case("LSTM", (5, 2), {"units": 3, "go_backwards": True, "activation": "relu", "bias_initializer": "ones"}),
    Case("LSTM", (5, 2), {"units": 3, "dropout": 0.3, "recurrent_dropout": 0.3, "seed": 1}, random=True),
    Case("GRU", (5, 7), {"units": 9}),
    Case("GRU", (5, 2), {"units": 3, "return_sequences": True, "use_bias": False}),
    Case("GRU", (5, 2), {"units": 3, "reset_after": False, "go_backwards": True}),
    Case("GRU", (5, 2), {"units": 3, "dropout": 0.3, "recurrent_dropout": 0.3, "seed": 1}, random=True),
    Case("SimpleRNN", (5, 7), {"units": 9}),
    Case("SimpleRNN", (5, 2), {"units": 3, "return_sequences": True, "activation": "relu", "use_bias": False}),
    Case("SimpleRNN", (5, 2), {"units": 3, "activation": "elu", "go_backwards": True}),
    Case("SimpleRNN", (5, 2), {"units": 3, "dropout": 0.3, "recurrent_dropout": 0.3, "seed": 1}, random=True),
    Case("RNN", (5, 2), {"return_sequences": True}, inside={"cell": lambda of: of.GRUCell(3, reset_after=False)}),
    Case("RNN", (5, 2), inside={"cell": lambda of: [of.LSTMCell(3), of.SimpleRNNCell(4)]}),
    Case("ConvLSTM1D", (3, 6, 2), {"filters": 2, "kernel_size": 3, "return_sequences": True}),
    Case("ConvLSTM2D", (3, 5, 4, 2), {"filters": 2, "kernel_size": (3, 2), "padding": "same"}),
    Case("ConvLSTM2D", (3, 2, 5, 4), {"filters": 2, "kernel_size": 2, "data_format": "channels_first"}),
    Case("ConvLSTM2D", (3, 5, 4, 2), {"filters": 2, "kernel_size": 2, "dropout": 0.3, "seed": 1}, random=True),
    Case("ConvLSTM3D", (2, 4, 3, 3, 1), {"filters": 2, "kernel_size": 2, "unit_forget_bias": False}),
    Case("Bidirectional", (5, 2), inside={"layer": lambda of: of.LSTM(3)}),
    Case("Bidirectional", (5, 2), {"merge_mode": "mul"}, inside={"layer": lambda of: of.GRU(3, return_sequences=True)}),
    Case("TimeDistributed", (5, 2), inside={"layer": lambda of: of.Dense(3)}),
    Case("TimeDistributed", (3, *IMAGE), inside={"layer": lambda of: of.Conv2D(2, 3)}),
    Case("TimeDistributed", (3, 4), inside={"layer": lambda of: of.BatchNormalization()}),
    Case("Masking", (5, 2), {"mask_value": 0.5}),
    Case("Embedding", (5,), {"input_dim": 9, "output_dim": 4}, ids=8),
    Case("Embedding", (5, 2), {"input_dim": 9, "output_dim": 4, "mask_zero": True}, ids=8),
    Case("Discretization", (5,), {"bin_boundaries": [-0.5, 0.0, 1.0], "output_mode": "one_hot"}, random=True),
    Case("AutoContrast", IMAGE, {"value_range": (-4, 4)}),
    Case("Equalization", COLOURS, {"value_range": (-4, 4)}, peer=None),
    Case("RandomFlip", IMAGE, {"mode": "horizontal"}, random=True),
    Case("RandomRotation", IMAGE, {"factor": 0.2, "seed": 3}, random=True),
    Case("RandomZoom", IMAGE, {"height_factor": 0.2, "fill_mode": "constant"}, random=True),
    Case("RandomTranslation", IMAGE, {"height_factor": 0.2, "width_factor": (0.1, 0.3)}, random=True),
    Case("RandomShear", IMAGE, {"x_factor": 0.2, "y_factor": 0.1}, random=True),
    Case("RandomCrop", IMAGE, {"height": 5, "width": 6}, peer=None, random=True),
    Case("RandomPerspective", IMAGE, {"scale": 0.4}, random=True),
    Case("RandomElasticTransform", IMAGE, {"scale": 0.5}, random=True),
    Case("RandomBrightness", IMAGE, {"factor": 0.2, "value_range": (0, 1)}, random=True),
    Case("RandomContrast", IMAGE, {"factor": 0.2}, random=True),
    Case("RandomHue", COLOURS, {"factor": 0.2}, random=True),
    Case("RandomSaturation", COLOURS, {"factor": 0.4}, random=True),
    Case("RandomColorJitter", COLOURS, {"brightness_factor": 0.2, "contrast_factor": 0.2}, random=True),
    Case("RandomGrayscale", COLOURS, {"factor": 0.4}, random=True),
    Case("RandomColorDegeneration", COLOURS, {"factor": 0.4}, random=True),
    Case("RandomInvert", IMAGE, {"factor": 0.4}, random=True),
    Case("RandomPosterization", IMAGE, {"factor": 4}, random=True),
    Case("RandomSharpness", IMAGE, {"factor": 0.4}, random=True),
    Case("Solarization", IMAGE, {"threshold_factor": 0.4}, random=True),
    Case("RandomErasing", IMAGE, {"scale": (0.1, 0.3)}, random=True),
    Case("RandomGaussianBlur", IMAGE, {"kernel_size": 3}, random=True),
    Case("MixUp", IMAGE, {"alpha": 0.4}, random=True),
    Case("CutMix", IMAGE, {"factor": 0.4}, random=True),
    Case("RandAugment", COLOURS, {"num_ops": 1}, random=True),
    Case("AugMix", COLOURS, {"num_chains": 2}, random=True),
    Case("CategoryEncoding", (5,), {"num_tokens": 8}, ids=8, random=True),
    Case("Hashing", (5,), {"num_bins": 4, "output_mode": "one_hot"}, ids=8, peer=None),
    Case("IntegerLookup", (5,), {"vocabulary": [3, 1, 5], "output_mode": "multi_hot"}, ids=8, peer=None),
]
