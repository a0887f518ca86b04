"""The words of error messages: nearest names and listings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError, NotBuiltError, TrainingError, listing, nearest

NAMES = st.text("abcdefgh_", min_size=4, max_size=12)


@pytest.mark.parametrize("error", [HandsonError, NotBuiltError, TrainingError])
def test_every_error_is_a_value_error(error):
    assert issubclass(error, HandsonError)
    assert issubclass(error, ValueError)


@pytest.mark.parametrize("missspelt", ["epoch", "epochss", "eopchs", "EPOCHS"])
def test_a_misspelt_name_gets_its_nearest(missspelt):
    assert nearest(missspelt, ["batch_size", "epochs", "verbose"]) == " Did you mean 'epochs'?"


def test_the_case_of_the_known_name_is_kept():
    assert nearest("conv2d", ["Dense", "Conv2D"]) == " Did you mean 'Conv2D'?"


def test_two_names_as_near_are_both_given():
    assert nearest("loss_c", ["loss_b", "other", "loss_a"]) == " Did you mean 'loss_a' or 'loss_b'?"


def test_names_that_differ_in_case_only_are_given_once():
    assert nearest("adm", ["Adam", "adam", "sgd"]).count("'") == 2


def test_never_more_than_two_names_are_given():
    assert nearest("loss", ["loss1", "loss2", "loss3", "loss4"]).count("'") == 4


@pytest.mark.parametrize("known", [[], ["epochs"], iter(())])
def test_nothing_near_gives_no_text(known):
    assert nearest("zzz", known) == ""


@settings(max_examples=50, deadline=None)
@given(name=NAMES, others=st.lists(NAMES, max_size=5))
def test_a_name_with_one_letter_more_is_near(name, others):
    assert f"{name!r}" in nearest(name + "x", [*(other for other in others if other != name + "x"), name])


@settings(max_examples=50, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=20), limit=st.integers(1, 20))
def test_a_listing_says_how_many_it_leaves_out(names, limit):
    text = listing(names, limit)
    shown = ", ".join(repr(name) for name in names[:limit])
    assert text == (shown if len(names) <= limit else f"{shown} and {len(names) - limit} more")


def test_a_listing_takes_what_can_be_read_only_once():
    assert listing(iter(["a", "b"])) == "'a', 'b'"


@pytest.mark.parametrize("known", [["epochs"], ["epochs", "epoch"], ["epoch", "epochs", "Epochs"]])
def test_a_name_is_never_proposed_for_itself(known):
    assert "'epochs'" not in nearest("epochs", known)
