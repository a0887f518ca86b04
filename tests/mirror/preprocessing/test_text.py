"""Texts as sequences of numbers, against Keras's own functions on random texts."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.keras.preprocessing import sequence
from handson.keras.preprocessing import text as ours

WORDS = st.text(alphabet="abAB é,.!\t-", max_size=24)
TEXTS = st.lists(WORDS, min_size=1, max_size=6)
WAYS = st.fixed_dictionaries(
    {
        "num_words": st.sampled_from([None, 1, 3, 5]),
        "lower": st.booleans(),
        "split": st.sampled_from([" ", "-"]),
        "filters": st.sampled_from([",.!\t", ""]),
        "char_level": st.booleans(),
        "oov_token": st.sampled_from([None, "?", "a"]),
    }
)


@pytest.fixture(scope="module")
def theirs(keras):
    return importlib.import_module("keras.src.legacy.preprocessing.text")


@given(WORDS, st.booleans(), st.sampled_from([" ", "-", "b"]))
@settings(max_examples=50)
def test_words_are_those_of_keras(theirs, text, lower, split):
    assert ours.text_to_word_sequence(text, lower=lower, split=split) == theirs.text_to_word_sequence(
        text, lower=lower, split=split
    )


@given(WORDS, st.integers(2, 40))
def test_hashes_are_those_of_keras(theirs, text, n):
    expected = theirs.hashing_trick(text, n, hash_function="md5")
    assert ours.hashing_trick(text, n) == expected
    assert ours.one_hot(text, n) == expected
    assert ours.hashing_trick(text, n, hash_function=len) == theirs.hashing_trick(text, n, hash_function=len)


@given(TEXTS, TEXTS, TEXTS, WAYS)
@settings(max_examples=150)
def test_a_tokenizer_is_that_of_keras(theirs, first, second, new, way):
    pair = [module.Tokenizer(**way) for module in (ours, theirs)]
    for one in pair:
        one.fit_on_texts(first)
        one.fit_on_texts(second)
    mine, other = pair
    assert mine.get_config() == other.get_config() | {"word_docs": mine.get_config()["word_docs"],
                                                      "index_docs": mine.get_config()["index_docs"]}  # fmt: skip
    assert (mine.word_docs, mine.index_docs) == (dict(other.word_docs), dict(other.index_docs))
    sequences = mine.texts_to_sequences(new)
    assert sequences == other.texts_to_sequences(new)
    assert mine.sequences_to_texts([*sequences, [1, 2, 9]]) == other.sequences_to_texts([*sequences, [1, 2, 9]])
    if mine.word_index:
        for mode in ours.MODES:
            np.testing.assert_allclose(mine.texts_to_matrix(new, mode), other.texts_to_matrix(new, mode), rtol=1e-12)


@given(TEXTS, TEXTS, WAYS)
def test_files_of_keras_are_read_and_written(theirs, texts, new, way):
    pair = [module.Tokenizer(**way) for module in (ours, theirs)]
    for one in pair:
        one.fit_on_texts(texts)
    mine, other = pair
    assert ours.tokenizer_from_json(other.to_json()).texts_to_sequences(new) == other.texts_to_sequences(new)
    assert theirs.tokenizer_from_json(mine.to_json(indent=1)).texts_to_sequences(new) == other.texts_to_sequences(new)
    assert ours.tokenizer_from_json(mine.to_json()).get_config() == mine.get_config()


def test_lists_of_words_sequences_and_own_analyzers(theirs):
    for module in (ours, theirs):
        words = module.Tokenizer(num_words=9, analyzer=lambda text: text.split("|"))
        words.fit_on_texts(["a b|c", ["C", "d"]])
        words.fit_on_sequences([[1, 1, 2]])
        assert words.word_index == {"c": 1, "a b": 2, "d": 3}
        assert dict(words.index_docs) == {1: 3, 2: 2, 3: 1}
        np.testing.assert_allclose(words.sequences_to_matrix([[1, 1]], "tfidf")[0, 1], (1 + np.log(2)) * np.log(1.75))
    with pytest.raises(HandsonError, match="analyzer"):
        ours.Tokenizer(analyzer=str.split).to_json()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda words: words.fit_on_texts("abc"), r"fit_on_texts\(\[text\]\)"),
        (lambda words: words.sequences_to_matrix([[1]]), "num_words"),
        (lambda words: words.sequences_to_matrix([[1]], "counts"), "Did you mean 'count'"),
        (lambda words: ours.Tokenizer(3).sequences_to_matrix([[1]], "tfidf"), "fit_on_texts"),
        (lambda words: ours.hashing_trick("a", 1), "n is a whole number"),
        (lambda words: ours.hashing_trick("a", 9, "sha"), "'md5' or a function"),
        (lambda words: ours.tokenizer_from_json("{"), "JSON"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, message):
    with pytest.raises(HandsonError, match=message):
        call(ours.Tokenizer())


def test_the_name_of_keras_1_is_taken(capsys):
    assert ours.Tokenizer(nb_words=7).num_words == 7


@pytest.mark.parametrize("text", ["[1]", '{"config": {}}', '{"config": 3}', '{"a": 1}'])
def test_what_is_no_description_is_said(text):
    for read in (ours.tokenizer_from_json, sequence.timeseries_generator_from_json):
        with pytest.raises(HandsonError, match="this is not what .*to_json"):
            read(text)


def test_negative_numbers_are_no_words():
    with pytest.raises(HandsonError, match="not negative"):
        ours.Tokenizer(num_words=3).sequences_to_matrix([[-1, 2]])
