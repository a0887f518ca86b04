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
