"""`EinsumDense` against torch's einsum and Keras, and its errors."""

import numpy as np
import pytest
import torch

from handson.core.errors import HandsonError
from handson.layers import EinsumDense, Input

CASES = [
    ("ab,bc->ac", 4, "c", (3,)),
    ("abc,cd->abd", (None, 4), "d", (5, 3)),
    ("abc,cd->abd", (5, 4), "bd", (5, 3)),
    ("abc,cde->abde", (None, 2, 4), "de", (5, 3)),
    ("abc,cde->abde", (None, 2, 4), "d", (5, 3)),
    ("abde,def->abf", (None, 6), "f", (5, 2, 3)),
    ("abde,edf->abf", (None, 6), "f", (5, 2, 3)),
    ("abc,cb->acb", (3, 5), None, (5, 3)),
    ("abc,bcd->abd", (5, 2), "b", (5, 3)),
    ("abc,dc->abd", (5, 2), "d", (5, 3)),
    ("abc,cd->adb", (4, None), "d", (5, 3)),
    ("...x,xy->...y", 4, "y", (3,)),
    ("...bx,xy->...by", (None, 4), "y", (2, 5, 3)),
    ("ab...,bc->ac...", 4, "c", (3, 5, 6)),
    ("a b c, c d -> a b d", (None, 4), None, (5, 3)),
]


@pytest.mark.parametrize(("equation", "output_shape", "bias_axes", "sample"), CASES)
def test_outputs_are_torchs_einsum_plus_a_bias_over_the_named_axes(equation, output_shape, bias_axes, sample):
    layer = EinsumDense(equation, output_shape, bias_axes=bias_axes, bias_initializer="random_normal")
    x = torch.tensor(np.random.default_rng(0).normal(size=(2, *sample)), dtype=torch.float32)
    output = layer(x)
    expected = torch.einsum(equation.replace(" ", ""), x, layer.kernel)
    if bias_axes:
        letters = equation.partition("->")[2].replace(".", "").replace(" ", "")
        sizes = [output.shape[letters.index(letter) - len(letters)] for letter in bias_axes]
        if equation.endswith("..."):
            sizes = [output.shape[letters.index(letter)] for letter in bias_axes]
        assert sorted(size for size in layer.bias.shape if size > 1) == sorted(size for size in sizes if size > 1)
        expected = expected + layer.bias
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-6)
    assert layer.shape_after((None, *sample)) == (None, *output.shape[1:])


@pytest.mark.parametrize(("equation", "output_shape", "bias_axes", "sample"), CASES[:-1])
def test_weights_have_the_shapes_of_keras(keras, equation, output_shape, bias_axes, sample):
    ours = EinsumDense(equation, output_shape, bias_axes=bias_axes)
    ours.ensure_built((None, *sample))
    theirs = keras.layers.EinsumDense(equation, output_shape, bias_axes=bias_axes)
    theirs.build((None, *sample))
    assert [tuple(weight.shape) for weight in ours.weights] == [tuple(weight.shape) for weight in theirs.weights]


@pytest.mark.parametrize("initializer", ["glorot_uniform", "he_normal", "lecun_uniform"])
def test_a_kernel_of_many_axes_is_scaled_by_its_inputs_and_outputs(keras, initializer):
    arguments = ("abde,defg->abfg", (None, 20, 30))
    ours = EinsumDense(*arguments, kernel_initializer=initializer)
    theirs = keras.layers.EinsumDense(*arguments, kernel_initializer=initializer)
    ours.ensure_built((None, 5, 6, 7))
    theirs.build((None, 5, 6, 7))
    expected = theirs.weights[0].value.detach().numpy()
    assert np.std(ours.get_weights()[0]) == pytest.approx(np.std(expected), rel=0.05)
    # Not the largest: Keras draws a truncated normal four times, and takes what lies outside if all four do.
    ours_at, theirs_at = (np.quantile(np.abs(values), 0.99) for values in (ours.get_weights()[0], expected))
    assert ours_at == pytest.approx(theirs_at, rel=0.05)


def test_a_layer_takes_another_number_of_steps_the_next_time():
    layer = EinsumDense("abc,cd->abd", (None, 4))
    assert layer(Input((5, 3))).shape == (None, 5, 4)
    assert layer(Input((7, 3))).shape == (None, 7, 4)
    with pytest.raises(HandsonError, match="cannot take"):
        layer(Input((7, 2)))


def test_no_rows_give_no_rows():
    assert EinsumDense("abc,cde->abde", (None, 2, 4))(torch.zeros(0, 5, 3)).shape == (0, 5, 2, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ab,bc", 3), r"an equation is written 'ab,bc->ac'.*; got 'ab,bc'"),
        (("...ab,bc->ac", 3), r"an equation is written"),
        (("ab,bc->ac;", 3), r"an equation is written"),
        ((3, 3), r"an equation is written .* got 3\."),
        (("ab,bbc->ac", 3), r"a letter stands once in each part"),
        (("ab,bcd->ac", 3), r"'d' of the kernel is in neither the inputs nor the outputs of 'ab,bcd->ac'"),
        (("ab,bc->acd", (3, 4)), r"'d' of the outputs is in neither the inputs nor the kernel of 'ab,bc->acd'"),
        (("ab,bc->ac", 0), r"EinsumDense: output_shape must be a positive whole number; got 0"),
    ],
)
def test_arguments_that_make_no_sense_are_an_error(arguments, message):
    with pytest.raises(HandsonError, match=message):
        EinsumDense(*arguments)


@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        (("abc,cd->abd", 4), (None, 5, 3), r"output_shape has a size, or None, for each of 'bd'; got \(4,\)\."),
        (("abc,cd->abd", (6, 4)), (None, 5, 3), r"'b' is 5 in inputs of shape \(None, 5, 3\), but 6 in output_shape"),
        (("abc,cd->abd", (None, 4)), (None, 3), r"inputs 'abc' have 3 axes; got the shape \(None, 3\)"),
        (("abc,cd->abd", (None, None)), (None, 5, 3), r"the size of 'd' in the kernel is not known"),
        (("abc,cd->abd", (None, 4)), (None, 5, None), r"the size of 'c' in the kernel is not known"),
        (("ab,bc->ac", 4, None, "cx"), (None, 3), r"bias_axes are letters of the outputs 'ac'; got 'cx'"),
        (("abc,cd->abd", (None, 4), None, "bd"), (None, None, 3), r"a bias needs known sizes of 'bd'"),
    ],
)
def test_inputs_that_do_not_fit_are_an_error(arguments, shape, message):
    with pytest.raises(HandsonError, match=message):
        EinsumDense(*arguments).ensure_built(shape)
