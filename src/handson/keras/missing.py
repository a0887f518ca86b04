"""What Keras has and handson has not, each with its reason and what to use in its place.

A key is the place of a name in Keras's tree; that of a module stands for all in it that is not here.
"""

from __future__ import annotations

_QUANTIZED = "handson does not quantize nets; torch.ao.quantization takes a net as it is, a torch.nn.Module"
_JAX = "it is for nets of JAX"
_REMOVED = "Keras has removed it"
_SCOPE = "handson is PyTorch and has no scopes of state"
_VIEW = "draw with matplotlib"
_LEGACY = "write it as a handson.layers.Layer of your own with `build` and `call`"
_BOXES = "torchvision.ops has functions of boxes"
_SESSION = "there are no sessions; tensors have values at once"

MODULES = {
    "distillation": "train with a loss of your own that compares outputs with those of the teacher, teacher.predict(x)",
    "distribution": "net.fit(..., devices=4) trains on several workers, handson fit EXPERIMENT --devices 4 too",
    "export": "net.export('net.onnx') writes ONNX; torch.export.export takes a net as it is, a torch.nn.Module",
    "legacy": _REMOVED,
    "quantizers": _QUANTIZED,
    "src": "it is private to Keras: use the public name",
    "utils.bounding_boxes": _BOXES,
    "visualization": _VIEW,
}

NAMES = {
    "Operation": "decorate a function of tensors with handson.graph.operation, or write a Layer",
    "Quantizer": _QUANTIZED,
    "RematScope": "use torch.utils.checkpoint.checkpoint in call",
    "StatelessScope": _SCOPE,
    "SymbolicScope": _SCOPE,
    "device": "handson computes on the GPU if torch sees one; CUDA_VISIBLE_DEVICES says which",
    "name_scope": "names of layers are their own: leave it out",
    "remat": "use torch.utils.checkpoint.checkpoint in call",
    "callbacks.OrbaxCheckpoint": "use ModelCheckpoint, or fit(run='folder'), which goes on where it stopped",
    "callbacks.ProgbarLogger": "fit(verbose=1) shows a bar",
    "callbacks.BaseLogger": "fit does it",
    "dtype_policies.AWQDTypePolicy": _QUANTIZED,
    "dtype_policies.DTypePolicyMap": "give each layer its dtype",
    "dtype_policies.GPTQDTypePolicy": _QUANTIZED,
    "dtype_policies.Int4DTypePolicy": _QUANTIZED,
    "dtype_policies.QuantizedDTypePolicy": _QUANTIZED,
    "dtype_policies.QuantizedFloat8DTypePolicy": _QUANTIZED,
    "layers.ContrastLimitedAdaptiveHistogramEqualization": "use scikit-image's equalize_adapthist beforehand",
    "layers.Deconvolution2D": "use Conv2DTranspose",
    "layers.DenseFeatures": "use the preprocessing layers on columns",
    "layers.FlaxLayer": _JAX,
    "layers.Highway": _LEGACY,
    "layers.JaxLayer": _JAX,
    "layers.LocallyConnected1D": _REMOVED + "; write it with ops.extract_patches and einsum",
    "layers.LocallyConnected2D": _REMOVED + "; write it with ops.image.extract_patches and einsum",
    "layers.MaxoutDense": _LEGACY,
    "layers.MaxNumBoundingBoxes": _BOXES,
    "layers.ReversibleEmbedding": "use Embedding, and keras.ops.matmul with its transposed embeddings",
    "layers.RandomHeight": _REMOVED + "; use RandomZoom",
    "layers.RandomWidth": _REMOVED + "; use RandomZoom",
    "layers.STFTSpectrogram": "compute spectrograms beforehand with torch.stft",
    "layers.MelSpectrogram": "compute spectrograms beforehand with torchaudio",
    "layers.TFSMLayer": "a SavedModel holds TensorFlow's graph: convert it to ONNX, or build the net of layers",
    "layers.ThresholdedReLU": "use ReLU(threshold=...)",
    "models.model_from_yaml": _REMOVED + ", since YAML may hold code; use model_from_json",
    "optimizers.MultiOptimizer": "train the parts of a net one after the other, each with its optimizer",
    "optimizers.OptimizerMap": "it belongs to MultiOptimizer",
    "optimizers.ScheduleFreeAdamW": "its weights in training are not those to evaluate; use AdamW(use_ema=True)",
    "optimizers.TFOptimizer": "use an optimizer of handson",
    "saving.KerasFileEditor": "open the file with zipfile and h5py",
    "utils.FeatureSpace": "use the preprocessing layers on columns, or scikit-learn's ColumnTransformer",
    "utils.print_summary": "use net.summary()",
    "backend.ctc_decode": "take the argmax of each step and leave out repetitions",
    "backend.ctc_label_dense_to_sparse": "keras.ops.ctc_loss takes dense labels",
    "backend.foreach": "write a loop",
    "backend.get_session": _SESSION,
    "backend.manual_variable_initialization": _SESSION,
    "backend.name_scope": "names of layers are their own: leave it out",
    "backend.set_learning_phase": "call a net with training=True or False",
    "backend.set_session": _SESSION,
    "backend.tf": "use keras.ops",
}


# Attributes and methods of objects of Keras that ours have not, under what to use in their place.
_MEMBERS = {
    "a tensor is changed in place: weight.add_(x), or weight.assign(x)": "assign assign_add assign_sub",
    "an optimizer of one's own defines slot_values and update: see handson.optimizers.Optimizer": (
        "add_optimizer_variables add_variable add_variable_from_reference lr_adjust transpose_last_axis update_step "
        "zeropower_via_newtonschulz5"
    ),
    "files hold the weights that add_weight made, and what get_config gives": (
        "load_own_variables save_own_variables variable_serialization_spec"
    ),
    "get_config() has the arguments": (
        "axis bias_constraint bias_initializer bias_regularizer bounding_box_format brightness_factor contrast_factor "
        "factor fn from_logits hue_factor init_thresholds input_axes interpolation kernel_constraint "
        "kernel_initializer kernel_regularizer label_smoothing name num_thresholds output_axes pool_mode precision "
        "recall saturation_factor score_mode sensitivity sep shared_axes sparse specificity"
    ),
    "net.get_layer(name), net.layers and net.graph have the parts of a net": "operations",
    "random numbers are functions of seed, layer, epoch and row: handson.random": (
        "generator get_dropout_mask get_recurrent_dropout_mask reset_dropout_mask reset_recurrent_dropout_mask "
        "seed_generator state"
    ),
    "sums and counts are in metric.variables": (
        "accumulator count false_negatives false_positives num_samples total total_cm true_negatives true_positives"
    ),
    "symbols are dense": "ragged ragged_rank row_splits_dtype",
    "there is one copy of a variable": "aggregation overwrite_with_gradient synchronization",
    "torch.func.functional_call(net, weights, inputs) computes with weights that are given": (
        "get_state_tree set_state_tree stateless_compute_loss stateless_reset_state stateless_result "
        "stateless_update_state"
    ),
    "override train_step, test_step or predict_step": (
        "make_predict_function make_test_function make_train_function predict_function test_function train_function"
    ),
    "what runs in one go follows from the net": "jit_compile steps_per_execution supports_jit",
    "keras.ops has functions of symbols": "record_history reshape squeeze",
    "regularizers and constraints belong to layers: layer.weight_regularizers": "constraint regularizer",
    "RandAugment, AugMix and RandomColorJitter hold no layers; those of these names are layers of their own": (
        "auto_contrast equalization random_brightness random_color_degeneration random_contrast random_hue "
        "random_posterization random_rotation random_saturation random_sharpness random_shear random_translation "
        "solarization"
    ),
    "a cell is a layer: layers.RNN(cell) runs it": "inner_loop cell single_state state_size",
    "it belongs to how Keras computes, and is of no use here": (
        "append_header backend call_signature_parameters channel_axis convert_input convert_weight "
        "convolution_op cooldown_counter csv_file dtype feature_dim finalize_state freeze frozen get_clipped_bbox "
        "get_random_transformation get_shifted_bbox get_transformed_x_y height_axis height_lower height_upper "
        "get_elastic_transform_params interpolate_pr_auc keys metrics_variables monitor_op num_repeats output_dtype "
        "path summary torch_params transform_bounding_boxes transform_images transform_labels "
        "transform_segmentation_masks "
        "transform_single_bounding_box transform_single_image transform_single_label "
        "transform_single_segmentation_mask unfreeze width_axis width_lower width_upper writer"
    ),
    _QUANTIZED: "get_quantization_layer_structure gptq_unpacked_column_size quantization_config",
    "float32 and bfloat16 need no loss scale": "loss_scale_factor",
    "fit(terminate_on_nan=True) raises": "raise_error",
}
MEMBERS = {name: why for why, names in _MEMBERS.items() for name in names.split()}


def reason(place: str) -> str:
    """Why a name of Keras is not here and what to use in its place; '' where nothing is known of it.

    Examples
    --------
    >>> reason("export.ExportArchive")
    "net.export('net.onnx') writes ONNX; torch.export.export takes a net as it is, a torch.nn.Module"
    >>> reason("layers.Denze")
    ''
    """
    if place.startswith("ops."):
        from handson.ops.missing import NOT_HERE

        name = place.removeprefix("ops.").removeprefix("numpy.").removeprefix("nn.").removeprefix("linalg.")
        return NOT_HERE.get(name, "")
    if place in NAMES:
        return NAMES[place]
    parts = place.split(".")
    while parts:
        if (found := MODULES.get(".".join(parts))) is not None:
            return found
        parts.pop()
    return ""
