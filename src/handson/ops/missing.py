"""Names of `keras.ops` that are not here, each with what to use in its place."""

from __future__ import annotations

_PLANES = "use handson.ops.image.affine_transform, or map_coordinates with coordinates of your own"

NOT_HERE = {
    "numpy": "its functions stand in handson.ops itself: handson.ops.mean",
    "ctc_decode": "take the argmax of each step and leave out repetitions; beam search is in torchaudio",
    "custom_gradient": "write a torch.autograd.Function",
    "jvp": "use torch.func.jvp",
    "rearrange": "use handson.ops.reshape and transpose, or einops.rearrange, which takes tensors of torch",
    "image.elastic_transform": "it draws random numbers; handson.data.augment does that, repeatably",
    "image.extract_patches_3d": "give extract_patches a size of three numbers",
    "image.perspective_transform": _PLANES,
    "image.scale_and_translate": _PLANES,
    "image.ssim": "use handson.ops.psnr, or scikit-image",
}
