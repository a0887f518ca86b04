"""YAML files: what comes back is what was written, in the scalars of YAML 1.2, and every error names its line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.workflow import yaml_file
from handson.workflow.yaml_file import MOST_BYTES, MOST_DEPTH, Document

# Words that YAML 1.1, YAML 1.2 or a careless writer may take for something else.
NASTY = [
    "1e5", "1.5e3", "1E5", ".5", "5.", "0x1F", "0o17", "010", "0b11", "1_000", "1:30", "12:30:45", "+1", "-1", "1e-3",
    "inf", ".inf", "-.inf", "nan", ".nan", ".NaN", "null", "Null", "~", "", " ", "yes", "no", "on", "off", "y", "n",
    "true", "True", "TRUE", "false", "2001-01-01", "2001-01-01T00:00:00Z", "=", "<<", "- a", "a: b", "a #b", "#a", "&a",
    "*a", "!a", "|", ">", "%a", "@a", "`a", "'", '"', "{a}", "[a]", ",", "?", ":", "a:", "\ta", "a\nb", "é", "😀",
]  # fmt: skip
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=8)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(1 - 2**63, 2**63 - 1), st.floats(allow_nan=False), st.sampled_from(NASTY),
    texts,
)  # fmt: skip
keys = st.one_of(st.sampled_from(NASTY), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=12
)


def exactly(value):
    """A value with the types of all its parts."""
    if isinstance(value, dict):
        return {key: exactly(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [exactly(entry) for entry in value]
    return type(value).__name__, repr(value)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(keys, values, min_size=1, max_size=4))
def test_what_is_dumped_is_read(value):
    assert exactly(Document(yaml_file.dump(value), "a.yaml").value) == exactly(value)


@pytest.mark.parametrize("word", NASTY)
def test_words_that_look_like_something_else_stay_words(word):
    assert Document(yaml_file.dump({"a": word, "b": [word]}), "a.yaml").value == {"a": word, "b": [word]}


@pytest.mark.parametrize("number", [1e-5, 1e20, 1e-300, 0.1, 3.0, float("inf"), -float("inf"), 1e5])
def test_numbers_are_written_as_a_person_would_write_them(number):
    text = yaml_file.dump({"a": number})
    assert "!!" not in text
    assert "'" not in text
    assert Document(text, "a.yaml").value == {"a": number}


def test_keys_keep_their_order_and_short_lists_a_line():
    assert yaml_file.dump({"z": [1, 2], "a": {"c": 1, "b": 2}, "m": "x"}) == "z: [1, 2]\na: {c: 1, b: 2}\nm: x\n"


def test_the_same_object_in_two_places_is_written_twice():
    shared = [1, 2]
    assert Document(yaml_file.dump({"a": shared, "b": shared}), "a").value == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3), ("1E3", 1000.0), ("-2e5", -2e5), ("1.5e3", 1500.0), ("1.", 1.0), (".5", 0.5), ("1e", "1e"),
        ("true", True), ("False", False), ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("~", None),
        ("null", None), ("", None), ("3", 3), ("-3", -3), ("+3", 3), ("2001-01-01", "2001-01-01"), ("e5", "e5"),
        (".inf", float("inf")),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text, value):
    assert exactly(Document(f"a: {text}\n", "a.yaml").value["a"]) == exactly(value)


@pytest.mark.parametrize(("text", "value"), [("010", 10), ("1:30", "1:30"), ("0o17", 15), ("1_000", "1_000")])
def test_integers_are_those_of_yaml_1_2(text, value):
    """YAML 1.1 reads 010 as eight, and 1:30 as ninety."""
    assert exactly(Document(f"a: {text}\n", "a.yaml").value["a"]) == exactly(value)


# Lines


TEXT = """name: a
model:
  - Dense: {units: 3}
  - Dense:
      units: 4
      activation: relu
fit:
  epochs: 3
"""


@pytest.mark.parametrize(
    ("path", "key", "line"),
    [
        ([], None, 1), (["name"], None, 1), (["model"], None, 2), (["model", 0], None, 3), (["model", 1], None, 4),
        (["model", 1, "Dense", "activation"], None, 6), (["model", 1], "activation", 6), (["fit", "epochs"], None, 8),
        (["fit", "batch_size"], None, 7), (["nothing"], None, 1), (["model", 9], None, 2), (["model", 1], "nothing", 4),
        ([], "epochs", 8),
    ],
)  # fmt: skip
def test_every_entry_has_its_line(path, key, line):
    assert Document(TEXT, "a.yaml").line(path, key) == line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2\n", r"a.yaml, line 3: expected ',' or '\]'"),
        ("a: 1\nb: 2\na: 3\n", "a.yaml, line 3: the key 'a' is there twice"),
        ("a:\n  b: 1\n  b: 2\n", "a.yaml, line 3: the key 'b' is there twice"),
        ("a: [{b: 1, b: 2}]\n", "a.yaml, line 1: the key 'b' is there twice"),
        ("a: 1\n  b: 2\n", "a.yaml, line 2: mapping values are not allowed here"),
        ("a:\n\t- b\n", r"a.yaml, line 2: found character '\\t'"),
        ("a: 1\nb: 0x" + "f" * 5000 + "\n", "a.yaml, line 2: the number 0xf+ ... is too large"),
        ("a: 1\nb: [" + "9" * 5000 + "]\n", "a.yaml, line 2: the number 9+ ... is too large"),
        ("a: 9223372036854775808\n", "a.yaml, line 1: the number 9223372036854775808 is too large"),
        ("a: -1e999\n", "a.yaml, line 1: the number -1e999 is too large"),
        ("a: {epoch\n", "a.yaml, line 2: "),
        ("a: &x 1\nb: *x\n", r"a.yaml, line 2: aliases \(\*name\) are not used here"),
        ("a: 1\n---\nb: 2\n", "a.yaml, line 2: .*another document"),
        ("a: 1\nb: !!python/object/apply:os.system ['echo']\n", "a.yaml, line 2: could not determine a constructor"),
        ("a: 1\nb: !evil 3\n", "a.yaml, line 2: could not determine a constructor for the tag '!evil'"),
        ("? [1, 2]\n: 3\n", "a.yaml, line 1: found unhashable key"),
        ("a: " + "[" * 60 + "]" * 60, "a.yaml, line 1: entries are nested too deeply"),
        ("a: '\x00'", "a.yaml is not YAML that can be read: unacceptable character"),
        ("", "a.yaml holds no experiment: expected 'name: value' lines"),
        ("# a comment\n", "a.yaml holds no experiment"),
        ("- a\n- b\n", "a.yaml holds no experiment"),
        ("just words", "a.yaml holds no experiment"),
        ("a: " + "x" * MOST_BYTES, f"a.yaml is larger than {MOST_BYTES:,} bytes, the most that are read"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text, message):
    with pytest.raises(HandsonError, match=message):
        Document(text, "a.yaml")


@pytest.mark.parametrize("depth", [MOST_DEPTH + 1, 1000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_nesting_is_refused_where_it_becomes_too_deep(brackets, depth):
    """Not after all of it has been read, which takes PyYAML a time that grows with the square of the depth."""
    with pytest.raises(HandsonError, match=r"a.yaml, line 1: entries are nested too deeply"):
        Document("a: " + brackets[0] * depth + brackets[1] * depth, "a.yaml")


def test_a_tag_runs_nothing(tmp_path):
    with pytest.raises(HandsonError, match="could not determine a constructor"):
        Document(f"a: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n", "a.yaml")
    assert not (tmp_path / "made").exists()


def test_a_file_is_read_in_utf_8(tmp_path):
    (tmp_path / "a.yaml").write_text("größe: ü\n", encoding="utf-8")
    assert yaml_file.read(tmp_path / "a.yaml").value == {"größe": "ü"}


def test_another_encoding_is_named(tmp_path):
    (tmp_path / "a.yaml").write_bytes("größe: ü\n".encode("latin-1"))
    with pytest.raises(HandsonError, match=r"a.yaml is not text in UTF-8"):
        yaml_file.read(tmp_path / "a.yaml")
