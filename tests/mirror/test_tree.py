"""The functions of trees give what Keras's give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.keras import tree


@pytest.fixture(scope="session")
def theirs(keras):
    """Keras's functions as they are but for PyTorch, where the keys of inner dictionaries are not sorted."""
    from keras.src.tree import optree_impl

    return optree_impl


LEAVES = st.integers(-9, 9) | st.none() | st.text(max_size=2)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from("dbca"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(given_tree=TREES)
def test_trees_are_flattened_changed_and_packed_as_in_keras(theirs, given_tree):
    assert tree.flatten(given_tree) == theirs.flatten(given_tree)
    assert tree.is_nested(given_tree) == theirs.is_nested(given_tree)
    assert tree.flatten_with_path(given_tree) == [(tuple(p), leaf) for p, leaf in theirs.flatten_with_path(given_tree)]
    assert tree.map_structure(repr, given_tree) == theirs.map_structure(repr, given_tree)
    flat = list(range(len(tree.flatten(given_tree))))
    assert tree.pack_sequence_as(given_tree, flat) == theirs.pack_sequence_as(given_tree, flat)
    assert tree.lists_to_tuples(given_tree) == theirs.lists_to_tuples(given_tree)


@given(first=TREES, second=TREES)
def test_trees_of_another_form_are_told_apart_as_in_keras(theirs, first, second):
    def same(module):
        try:
            module.assert_same_structure(first, second)
        except ValueError:
            return False
        return True

    assert same(tree) == same(theirs)


@given(given_tree=TREES)
def test_nodes_are_changed_on_the_way_down_and_up_as_in_keras(keras, theirs, given_tree):
    def short(node):
        return tuple(map(str, node)) if isinstance(node, list) and len(node) < 2 else None

    none = keras.tree.MAP_TO_NONE
    for top_down in (True, False):
        assert tree.traverse(short, given_tree, top_down) == theirs.traverse(short, given_tree, top_down)
        ours = tree.traverse(lambda node: tree.MAP_TO_NONE if node == "" else None, given_tree, top_down)
        assert ours == theirs.traverse(lambda node: none if node == "" else None, given_tree, top_down)


def test_keys_are_sorted_beside_none_too():
    assert tree.flatten({"b": {"d": 0, "c": None}, "a": 1}) == [1, None, 0]
    assert tree.map_structure(str, {"a": None, "b": 1}, none_is_leaf=False) == {"a": None, "b": "1"}


def test_shapes_and_shallow_trees_are_mapped_as_in_keras(theirs):
    shapes = {"b": (None, 3), "a": [(1, 2), (4,)]}
    assert tree.map_shape_structure(len, shapes) == theirs.map_shape_structure(len, shapes)
    shallow, deep = {"x": 0, "y": [0, 0]}, {"x": [1, 2], "y": [3, {"z": 4}]}
    assert tree.map_structure_up_to(shallow, str, deep) == theirs.map_structure_up_to(shallow, str, deep)


def test_errors_of_trees_say_what_differs():
    with pytest.raises(HandsonError, match="2 leaves; got 1"):
        tree.pack_sequence_as([1, 2], [3])
    with pytest.raises(HandsonError, match="differ in type"):
        tree.assert_same_structure([1], (1,))
    with pytest.raises(HandsonError, match="in paths"):
        tree.assert_same_paths([1], [1, 2])
    with pytest.raises(HandsonError, match="branches"):
        tree.map_structure_up_to([0, 0], str, [1])
