"""Paths with names in braces: as Python's format for numbers, and nothing else of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handson.callbacks import ModelCheckpoint
from handson.callbacks.path_template import PathTemplate
from handson.core.errors import HandsonError

FORMATS = ["", ":02d", ":d", ":3", ":.3f", ":.2%", ":08.3f", ":.4", ":e", ":g"]


@given(st.integers(1, 10**6), st.floats(), st.sampled_from(FORMATS), st.sampled_from(FORMATS))
def test_numbers_are_written_as_python_does(epoch, loss, first, second):
    if "d" in second or ("." in first and first == ":.4"):
        return
    text = f"a{{{{-{{epoch{first}}}-}}}}{{val_loss{second}}}"
    try:
        expected = text.format(epoch=epoch, val_loss=loss)
    except ValueError:
        return
    assert PathTemplate(text).fill({"epoch": epoch, "val_loss": loss}) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{epoch:999999999}", "the format of '{epoch:999999999}' is not known"),
        ("{epoch:0100d}", "the format of"),
        ("{val_loss:.999999999f}", "the format of"),
        ("{epoch.__class__}", "'{epoch.__class__}' is no name of a measured quantity"),
        ("{epoch.real}", "is no name"),
        ("{epoch[0]}", "is no name"),
        ("{val_loss!r}", "is no name"),
        ("{0}", "is no name"),
        ("{}", "is no name"),
        ("{epoch:{epoch}}", "is not closed"),
        ("net-{epoch", "the brace at '{epoch.h5' is not closed"),
        ("net-epoch}", r"the brace at '}.h5' closes none"),
        ("{val_loss:02d}", "asks for a whole number"),
        ("{epoch:>9}", "the format of"),
        ("{epoch:s}", "the format of"),
        ("{epoch:,}", "the format of"),
        ("{epoch:\x00}", "the format of"),
    ],
)
def test_anything_else_is_refused_when_the_callback_is_made(path, message):
    with pytest.raises(HandsonError, match=message.replace("{", r"\{").replace("[", r"\[")):
        ModelCheckpoint(f"{path}.h5")


def test_a_quantity_that_is_not_measured_is_named_with_the_nearest():
    with pytest.raises(HandsonError, match=r"names 'val_los', which is not measured\. Did you mean 'val_loss'"):
        PathTemplate("{val_los}.h5").fill({"epoch": 1, "val_loss": 0.5})
