"""A layer of ours beside one of Keras, with the same weights and inputs: outputs, states, masks and gradients."""

import numpy as np
import torch

from handson.core import tree
from handson.layers.calling import MASK


def tensor(values):
    return torch.tensor(np.asarray(values)) if not isinstance(values, torch.Tensor) else values


def filled(ours, theirs, seed=0):
    """Both with the same weights, which are no zeros."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(scale=0.5, size=weight.shape).astype("float32") for weight in ours.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)


def outputs_and_gradients(layer, weights, x, **arguments):
    """The leaves of the outputs, and the gradients of the inputs and of the weights, of a sum that tells all apart."""
    x = x.clone().requires_grad_() if x.is_floating_point() else x
    outputs = tree.leaves(layer(x, **arguments))
    total = sum(((place + 1) * output).sin().sum() for place, output in enumerate(outputs))
    wanted = [x, *weights] if x.is_floating_point() else list(weights)
    return outputs, torch.autograd.grad(total, wanted, allow_unused=True)


def mask_of(output):
    found = getattr(output, MASK, None)
    found = getattr(output, "_keras_mask", None) if found is None else found
    return None if found is None else found.numpy().astype(bool)


def assert_same(ours, theirs, x, atol=3e-5, masks=True, **arguments):
    """Outputs, gradients and masks are those of Keras."""
    keras_arguments = {name: tree.map_leaves(tensor, value) for name, value in arguments.items()}
    found, slopes = outputs_and_gradients(ours, ours.parameters(), x, **arguments)
    weights = [weight.value for weight in theirs.trainable_weights]
    expected, keras_slopes = outputs_and_gradients(theirs, weights, x, **keras_arguments)
    assert [tuple(one.shape) for one in found] == [tuple(one.shape) for one in expected]
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.detach(), two.detach(), atol=atol, rtol=1e-4)
    for one, two in zip(slopes, keras_slopes, strict=True):
        if one is None and two is None:  # nothing of it goes into the outputs, as of ids
            continue
        np.testing.assert_allclose(one, two, atol=10 * atol, rtol=1e-3)
    if masks:
        assert [repr(mask_of(one)) for one in found] == [repr(mask_of(one)) for one in expected]
