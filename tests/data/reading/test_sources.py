"""Sources: arrays, folders of images and tables from files, good ones and hostile ones."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from handson.core.errors import HandsonError
from handson.data.reading.damage import reading
from handson.data.reading.sources import read


@pytest.fixture
def save(tmp_path):
    """Write arrays into an '.npz' file; gives its path."""

    def put(name="a.npz", **arrays):
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return put


def picture(path, array, **options):
    """Write an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


# Arrays


def test_an_array_file_is_features(tmp_path, rng):
    x = rng.normal(size=(5, 3))
    np.save(tmp_path / "x.npy", x)
    data = read(tmp_path / "x.npy")
    np.testing.assert_allclose(data.inputs, x, rtol=1e-6)
    assert (data.inputs.dtype, data.kind, data.task) == (np.float32, "table", "none")


def test_bytes_are_images_and_get_a_channel_axis(save, rng):
    images = rng.integers(0, 256, (4, 6, 5)).astype(np.uint8)
    data = read(save(images=images))
    assert (data.inputs.shape, data.inputs.dtype, data.kind) == ((4, 6, 5, 1), np.uint8, "images")
    np.testing.assert_array_equal(data.inputs[..., 0], images)


def test_sequences_of_numbers_stay_sequences(save, rng):
    assert read(save(x=rng.normal(size=(4, 6, 5)))).inputs.shape == (4, 6, 5)


@pytest.mark.parametrize("name", ["inputs", "images", "features", "x", "X"])
def test_inputs_are_looked_for_under_the_usual_names(save, name):
    assert read(save(**{name: np.ones((2, 3)), "other": np.zeros(7)})).inputs.shape == (2, 3)


def test_arrays_are_chosen_by_name(save):
    path = save(x=np.zeros((3, 2)), light=np.ones((3, 4)), kind=np.arange(3.0), person=np.array(["u", "u", "v"]))
    data = read(path, inputs="light", targets="kind", groups="person")
    assert data.inputs.tolist() == [[1] * 4] * 3
    assert data.targets.tolist() == [[0], [1], [2]]
    assert data.groups.tolist() == ["u", "u", "v"]
    assert data.target_names == ["kind"]


def test_columns_are_named_by_a_list_an_array_or_by_number(save):
    path = save(x=np.zeros((3, 2)), y=np.zeros((3, 2)), names=np.array(["u", "v"]))
    assert read(path, targets="y").target_names == ["y_0", "y_1"]
    assert read(path, targets="y", target_names=["a", "b"]).target_names == ["a", "b"]
    assert read(path, targets="y", target_names="names").target_names == ["u", "v"]
    assert read(path, targets="y", input_names="names").input_names == ["u", "v"]


def test_the_wrong_number_of_names_is_refused(save):
    with pytest.raises(HandsonError, match="3 names for the 2 columns of 'y'"):
        read(save(x=np.zeros((3, 2)), y=np.zeros((3, 2))), targets="y", target_names=["a", "b", "c"])


def test_words_are_classes_in_the_order_of_the_alphabet(save):
    data = read(save(x=np.zeros((3, 2)), y=np.array(["b", "a", "b"])), targets="y")
    assert (data.classes, data.targets.tolist(), data.task) == (["a", "b"], [1, 0, 1], "classification")


def test_words_in_bytes_are_words(save):
    assert read(save(x=np.zeros((2, 2)), y=np.array([b"b", b"a"])), targets="y").classes == ["a", "b"]


def test_given_classes_decide_the_numbers_of_words(save):
    data = read(save(x=np.zeros((3, 2)), y=np.array(["b", "a", "b"])), targets="y", classes=["b", "a", "c"])
    assert (data.classes, data.targets.tolist()) == (["b", "a", "c"], [0, 1, 0])


def test_a_word_that_is_no_given_class_is_named(save):
    path = save(x=np.zeros((3, 2)), y=np.array(["b", "a", "z"]))
    with pytest.raises(HandsonError, match="'z'"):
        read(path, targets="y", classes=["b", "a"])


def test_whole_numbers_are_values_unless_classes_are_given(save):
    path = save(x=np.zeros((3, 2)), y=np.array([0, 2, 1]), kinds=np.array(["u", "v", "w"]))
    assert read(path, targets="y").targets.tolist() == [[0], [2], [1]]
    for classes in (["u", "v", "w"], "kinds"):
        data = read(path, targets="y", classes=classes)
        assert (data.classes, data.targets.tolist()) == (["u", "v", "w"], [0, 2, 1])


def test_automatic_classes_number_whatever_values_there_are(save):
    data = read(save(x=np.zeros((4, 2)), y=np.array([7.0, -1.0, np.nan, 7.0])), targets="y", classes="auto")
    assert (data.classes, data.targets.tolist()) == (["-1", "7"], [1, 0, -1, 1])


def test_a_class_without_a_name_is_refused(save):
    with pytest.raises(HandsonError, match="class 2 has no name; 2 classes are named"):
        read(save(x=np.zeros((3, 2)), y=np.array([0, 2, 1])), targets="y", classes=["u", "v"])


def test_one_word_is_no_list_of_classes(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n1,u\n2,v\n")
    with pytest.raises(HandsonError, match="classes is a list of names or 'auto'; got 'uv'"):
        read(tmp_path / "a.csv", targets="y", classes="uv")


def test_half_a_class_is_refused(save):
    with pytest.raises(HandsonError, match=r"0\.5"):
        read(save(x=np.zeros((3, 2)), y=np.array([0, 0.5, 1])), targets="y", classes=["u", "v"])


def test_classes_in_two_columns_are_refused(save):
    with pytest.raises(HandsonError, match="classes are one column; the targets have 2"):
        read(save(x=np.zeros((3, 2)), y=np.zeros((3, 2))), targets="y", classes="auto")


def test_groups_come_from_a_file_of_their_own(save, tmp_path):
    path = save(x=np.zeros((3, 2)))
    np.save(tmp_path / "g.npy", np.array([4, 4, 5]))
    np.savez(tmp_path / "g.npz", groups=np.array([4, 4, 5]))
    for name in ("g.npy", "g.npz"):
        assert read(path, groups=str(tmp_path / name)).groups.tolist() == [4, 4, 5]


def test_an_archive_without_groups_is_named(save, tmp_path):
    np.savez(tmp_path / "g.npz", persons=np.array([4, 4, 5]))
    with pytest.raises(HandsonError, match=r"g.npz.*'persons'"):
        read(save(x=np.zeros((3, 2))), groups=str(tmp_path / "g.npz"))


def test_groups_of_another_length_are_refused(save, tmp_path):
    np.save(tmp_path / "g.npy", np.arange(7))
    with pytest.raises(HandsonError, match="3 rows of inputs and 7 of groups"):
        read(save(x=np.zeros((3, 2))), groups=str(tmp_path / "g.npy"))


@pytest.fixture
def kinds(tmp_path):
    """Data of every kind."""
    np.savez(tmp_path / "a.npz", x=np.ones((3, 2)), y=np.ones(3))
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "images.csv").write_text('y,Image\n1,"1 2 3 4"\n2,"5 6 7 8"\n')
    for name in ("p", "q"):
        (tmp_path / "folder" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "folder" / name / "1.png")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", {"targets": "y"}),
        ("folder", {"inputs": "x"}),
        ("folder", {"ids": "i"}),
        ("folder", {"image": "z"}),
        ("folder", {"input_names": ["a"]}),
        ("a.npz", {"targets": "y", "ids": "i"}),
        ("a.npz", {"targets": "y", "image_shape": (2, 1)}),
        ("a.npy", {"inputs": "x"}),
        ("a.npy", {"image": "x"}),
        ("a.npy", {"target_names": ["y"]}),
        ("a.npy", {"targets": np.ones(3)}),
        ("a.csv", {"targets": "b", "input_names": ["q"]}),
        ("a.csv", {"targets": "b", "image_shape": (2, 1)}),
        ("images.csv", {"image": "Image", "inputs": "y"}),
    ],
)
def test_what_says_nothing_about_the_data_is_refused(kinds, name, said):
    argument = list(said)[-1]
    with pytest.raises(HandsonError, match=rf"{name}.*{argument}"):
        read(kinds / name, **said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"targets": ["b", "b"]}, "'b' is among the targets twice"),
        ({"targets": "b", "inputs": ["a", "a"]}, "'a' is among the inputs twice"),
        ({"targets": "b", "inputs": ["a", "b"]}, "'b' is an input and a target"),
    ],
)
def test_a_column_has_one_role(kinds, said, message):
    with pytest.raises(HandsonError, match=message):
        read(kinds / "a.csv", **said)


def test_an_array_has_one_role(save, tmp_path):
    path = save(x=np.ones((3, 2)), label=[0, 1, 1])
    for said in ({"inputs": "x", "targets": "x"}, {"targets": "x"}):
        with pytest.raises(HandsonError, match="'x' is the inputs and the targets"):
            read(path, **said)
    np.save(tmp_path / "one.npy", np.ones((3, 2)))
    with pytest.raises(HandsonError, match="is the same file"):
        read(tmp_path / "one.npy", targets=str(tmp_path / "one.npy"))


def test_a_full_memory_is_not_said_to_be_a_wrong_file(tmp_path):
    path, said = tmp_path / "a.npy", r"a.npy: there is not the memory to read it \(9 bytes\)"
    with pytest.raises(HandsonError, match=said), reading(path, "a file of numbers"):
        raise MemoryError("9 bytes")


def test_the_target_of_a_folder_can_be_named(kinds):
    assert read(kinds / "folder", target_names=["kind"]).target_names == ["kind"]


@pytest.mark.parametrize("kind", ["npy", "folder"])
def test_a_column_of_groups_where_there_are_no_columns_is_refused(tmp_path, kind):
    if kind == "npy":
        np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    else:
        picture(tmp_path / "images" / "a.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(HandsonError, match="person"):
        read(tmp_path / {"npy": "x.npy", "folder": "images"}[kind], groups="person")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": "lable"}, r"no array 'lable' \(targets\). Did you mean 'label'\? Arrays: 'x', 'label'"),
        ({"inputs": "y"}, r"no array 'y' \(inputs\). Arrays: 'x', 'label'"),
        ({"targets": "label", "groups": "g"}, r"no array 'g' \(groups\)"),
        ({"targets": "label", "classes": "names"}, r"no array 'names' \(classes\)"),
    ],
)
def test_missing_arrays_are_named_with_the_nearest(save, arguments, message):
    with pytest.raises(HandsonError, match=message):
        read(save(x=np.zeros((3, 2)), label=np.zeros(3)), **arguments)


def test_an_archive_without_the_usual_names_asks_for_one(save):
    with pytest.raises(HandsonError, match="say which array holds the inputs, inputs=NAME. Arrays: 'light', 'kind'"):
        read(save(light=np.zeros((3, 2)), kind=np.zeros(3)))


def test_rows_that_do_not_match_are_refused(save):
    with pytest.raises(HandsonError, match="3 rows of inputs and 4 of targets"):
        read(save(x=np.zeros((3, 2)), y=np.zeros(4)), targets="y")


def test_an_array_without_rows_has_no_rows(save):
    with pytest.raises(HandsonError, match="a.npz has no rows"):
        read(save(x=np.zeros((0, 3))))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_single_number_is_no_data_set(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    np.save(path, 3.0) if suffix == ".npy" else np.savez(path, x=3.0)
    with pytest.raises(HandsonError, match="x.np"):
        read(path)


def test_inputs_of_words_are_refused(save):
    with pytest.raises(HandsonError, match="inputs must be numbers; got <U1"):
        read(save(x=np.array(["a", "b"])))


# Hostile and damaged array files


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("import handson; handson.bombed = True",))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickled_objects_are_never_loaded(tmp_path, suffix):
    import handson

    path, array = tmp_path / f"x{suffix}", np.array([Bomb(), Bomb()], object)
    np.save(path, array) if suffix == ".npy" else np.savez(path, x=array)
    with pytest.raises(HandsonError, match="Object arrays cannot be loaded"):
        read(path)
    assert not hasattr(handson, "bombed")


def test_a_pickle_with_the_name_of_an_array_is_refused(tmp_path):
    import pickle

    (tmp_path / "x.npy").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(HandsonError, match=r"x.npy is not a file of NumPy numbers"):
        read(tmp_path / "x.npy")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("content", [b"", b"hello, this is text\n", b"\x93NUMPY", b"PK\x03\x04 no archive"])
def test_files_that_hold_something_else_are_refused(tmp_path, suffix, content):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(HandsonError, match=r"x\.np"):
        read(path)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_truncated_files_are_refused(tmp_path, rng, suffix, share):
    path, x = tmp_path / f"x{suffix}", rng.normal(size=(50, 20))
    np.save(path, x) if suffix == ".npy" else np.savez(path, x=x)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(HandsonError, match=r"x\.np"):
        read(path)


@pytest.mark.parametrize("place", [0.02, 0.5])
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_archives_are_refused(tmp_path, rng, packed, place):
    (np.savez_compressed if packed else np.savez)(tmp_path / "x.npz", x=rng.normal(size=(50, 20)))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    start = 60 + int(place * len(content))
    content[start : start + 40] = b"z" * 40
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(HandsonError, match=r"x\.npz"):
        read(tmp_path / "x.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_that_declares_more_than_the_memory_is_refused(tmp_path, suffix):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**7)}
    )  # fmt: skip
    path = tmp_path / f"x{suffix}"
    if suffix == ".npy":
        path.write_bytes(buffer.getvalue() + bytes(64))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", buffer.getvalue() + bytes(64))
    with pytest.raises(HandsonError, match=r"x\.np"):
        read(path)


# Folders of images


def test_a_path_that_is_not_there_is_an_error_with_the_nearest(tmp_path):
    (tmp_path / "training.csv").write_text("a,y\n1,2\n")
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*trainign.csv. Did you mean 'training.csv'"):
        read(tmp_path / "trainign.csv")


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        read(tmp_path / "nowhere" / "a.csv")


@pytest.mark.parametrize(("name", "kind"), [("a.txt", "'.txt'"), ("a", "'without an ending'"), ("a.pkl", "'.pkl'")])
def test_other_kinds_of_files_are_refused(tmp_path, name, kind):
    (tmp_path / name).write_text("x")
    with pytest.raises(
        HandsonError,
        match=f"files of the kind {kind} are not read. Tables: .csv, .tsv, .parquet, .arrow, .fits; arrays",
    ):
        read(tmp_path / name)


def test_endings_in_capitals_are_endings(tmp_path):
    (tmp_path / "A.CSV").write_text("a,y\n1,2\n")
    assert read(tmp_path / "A.CSV", targets="y").inputs.tolist() == [[1]]
