"""Tables: CSV and Parquet against pandas; the compiled reading of images against the plain one."""

import csv
import io
import itertools
import os
import subprocess
import sys
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.data.reading import image_columns, tables
from handson.data.reading.image_columns import parse_images, side_lengths
from handson.data.reading.sources import read
from handson.data.reading.tables import read_table

PLAIN, COMPILED = 1 << 60, 0
IMAGE = " ".join(str(value) for value in range(16))


@pytest.fixture(params=["plain", "compiled"])
def way(request, monkeypatch):
    """Both ways of reading images."""
    monkeypatch.setattr(tables, "WORTH_A_KERNEL", {"plain": PLAIN, "compiled": COMPILED}[request.param])
    return request.param


@pytest.fixture
def write(tmp_path):
    """Write a table; gives its path."""

    def put(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put


def faces(rows=5, damage=None):
    """A table of a number and an image of 16 pixels; `damage` are rows with another image."""
    images = [IMAGE] * rows
    for row, image in (damage or {}).items():
        images[row] = image
    return "y,Image\n" + "".join(f"{row},{image}\n" for row, image in enumerate(images))


# Two ways, one result

numbers = st.one_of(st.none(), st.integers(-1000, 1000), st.floats(-1e6, 1e6, allow_nan=False))
texts = st.one_of(st.none(), st.text('ab ,"\n\té;#', min_size=1, max_size=8).filter(lambda text: text.strip()))


@st.composite
def image_tables(draw):
    """The bytes of a table with an image column somewhere, and what is in it."""
    rows, pixels = draw(st.integers(1, 7)), draw(st.sampled_from([16, 25]))
    kinds = draw(st.lists(st.sampled_from(["number", "text"]), min_size=0, max_size=3))
    columns = {
        f"{kind}{position}": draw(st.lists(numbers if kind == "number" else texts, min_size=rows, max_size=rows))
        for position, kind in enumerate(kinds)
    }
    seed = draw(st.integers(0, 2**32 - 1))
    images = np.random.default_rng(seed).integers(0, 256, (rows, pixels))
    gap = draw(st.sampled_from([" ", "  "]))
    place = draw(st.integers(0, len(kinds)))
    names = list(columns)
    names.insert(place, "Image")
    columns["Image"] = [gap.join(map(str, image)) for image in images]
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    parts = []
    for row in range(-1, rows):
        out = io.StringIO()
        csv.writer(out, quoting=quoting, lineterminator=ending).writerow(
            names if row < 0 else [columns[name][row] for name in names]
        )
        parts.append(out.getvalue() + ending * draw(st.sampled_from([0, 0, 0, 1, 2])))
    text = "".join(parts)
    text = text.rstrip("\r\n") if draw(st.booleans()) and not text.rstrip("\r\n").endswith('"') else text
    mark = b"\xef\xbb\xbf" if draw(st.booleans()) else b""
    return mark + text.encode(), images, columns, names


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(table=image_tables(), piece=st.sampled_from([1, 50, 64, 333, image_columns.PIECE]))
def test_the_compiled_way_reads_what_the_plain_way_reads(tmp_path_factory, table, piece):
    text, images, _, names = table
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_bytes(text)
    frames = []
    for limit in (PLAIN, COMPILED):
        with patch.object(tables, "WORTH_A_KERNEL", limit), patch.object(image_columns, "PIECE", piece):
            frames.append(read_table(path))
    for _, read_images in frames:
        assert read_images.dtype == np.uint8
        np.testing.assert_array_equal(read_images.reshape(len(images), -1), images)
    if len(names) > 1:
        pd.testing.assert_frame_equal(frames[0][0], frames[1][0])
        assert list(frames[0][0].columns) == [name for name in names if name != "Image"]


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(2, 12), data=st.data(), ending=st.sampled_from(["\n", "\r\n"]))
def test_both_ways_name_the_same_bad_row(tmp_path_factory, rows, data, ending):
    row, place = data.draw(st.integers(1, rows - 1)), data.draw(st.integers(0, 15))
    image = IMAGE.split()
    image[place : place + 1] = data.draw(st.sampled_from([["x7"], ["1o"], [], ["3", "4"], ["5;6"]]))
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text(faces(rows, {row: " ".join(image)}), newline=ending)
    for limit in (PLAIN, COMPILED):
        with (
            patch.object(tables, "WORTH_A_KERNEL", limit),
            pytest.raises(HandsonError, match=rf"table.csv, row {row}: "),
        ):
            read_table(path)


def test_both_ways_name_a_word_in_the_first_row(way, write):
    with pytest.raises(HandsonError, match=r"table.csv, row 0: "):
        read_table(write(faces(3, {0: IMAGE.replace("15", "x")})), image="Image")


@pytest.mark.parametrize(("pixels", "count"), [("1 2 3", 3), (IMAGE + " 7", 17), ("", 0)])
def test_a_wrong_number_of_pixels_is_named_with_its_row(way, write, pixels, count):
    with pytest.raises(HandsonError, match=f"row 3: the image has {count} pixels; the first row has 16"):
        read_table(write(faces(5, {3: pixels})))


def test_a_missing_image_in_the_first_row_is_an_error_that_names_it(way, write):
    with pytest.raises(HandsonError, match="row 0"):
        read_table(write(faces(3, {0: ""})), image="Image")


def test_a_row_that_ends_before_the_image_is_named(way, write):
    with pytest.raises(HandsonError, match="line 3 has 1 of 2 fields"):
        read_table(write(f"y,Image\n1,{IMAGE}\n2\n3,{IMAGE}\n"))


def test_a_first_row_that_ends_before_the_image_is_named(way, write):
    with pytest.raises(HandsonError, match="line 2 has 1 of 2 fields"):
        read_table(write(f"y,Image\n1\n2,{IMAGE}\n"), image="Image")


def test_lines_of_spaces_are_blank(way, write):
    frame, images = read_table(write(f"y,Image\n1,{IMAGE}\n   \n2,{IMAGE}\n \n"))
    assert len(images) == 2
    assert list(frame["y"]) == [1, 2]


def test_blank_lines_before_the_header_are_no_header(way, write):
    frame, _ = read_table(write(f"\n\ny,Image\n1,{IMAGE}\n"), image="Image")
    assert list(frame.columns) == ["y"]


def test_a_quote_inside_of_a_text_is_only_a_quote(way, write):
    """Like pandas: a field that does not start with a quote may hold one."""
    frame, images = read_table(write(f'name,Image\n5" pipe,{IMAGE}\nplain,{IMAGE}\n7" pipe,{IMAGE}\n'))
    assert list(frame["name"]) == ['5" pipe', "plain", '7" pipe']
    assert len(images) == 3


@pytest.mark.parametrize("name", ['"a""b"', '"a,b"', '"a\nb"', '"a"b', 'a""b', '""', '"a""', 'a"', '"a" ""', '""""'])
def test_quotes_are_those_of_pandas(write, monkeypatch, name):
    path = write(f"name,Image,y\nplain,{IMAGE},1\n{name},{IMAGE},2\nplain,{IMAGE},3\n")
    found = []
    for limit in (PLAIN, COMPILED):
        monkeypatch.setattr(tables, "WORTH_A_KERNEL", limit)
        try:
            found.append(read_table(path))
        except HandsonError as error:
            found.append(str(error))
    if isinstance(found[0], str):
        assert found[0] == found[1]
    else:
        pd.testing.assert_frame_equal(found[0][0], found[1][0])
        np.testing.assert_array_equal(found[0][1], found[1][1])


def test_images_separated_by_tabs_or_many_spaces_are_read(way, write):
    _, images = read_table(
        write(f"y,Image\n1,{IMAGE}\n2,  {IMAGE.replace(' ', '   ')}  \n3," + IMAGE.replace(" ", "\t"))
    )
    np.testing.assert_array_equal(images.reshape(3, 16), [range(16)] * 3)


def test_pixels_above_255_and_fractions_make_images_of_floats(way, write):
    for value, place in itertools.product(("300", "256", "0.5", "-1"), (4, 15)):
        pixels = IMAGE.split()
        pixels[place] = value
        _, images = read_table(write(faces(3, {2: " ".join(pixels)})), image="Image")
        assert images.dtype == np.float32
        assert images[2].flat[place] == float(value)


def test_the_shape_of_images_can_be_given(way, write):
    _, images = read_table(write(faces()), image_shape=(2, 8))
    assert images.shape == (5, 2, 8, 1)
    np.testing.assert_array_equal(images[0, 1, :, 0], range(8, 16))


def test_a_shape_that_does_not_fit_is_named(way, write):
    with pytest.raises(HandsonError, match="row 0: the image has 16 pixels; the shape 3x5 needs 15"):
        read_table(write(faces()), image_shape=(3, 5))


def test_images_that_are_no_square_need_a_shape(way, write):
    text = "Image,y\n" + " ".join(["1"] * 18) + ",3\n"
    with pytest.raises(HandsonError, match=r"18 pixels, which is no square; say image_shape=\(height, width\)"):
        read_table(write(text))


def test_the_image_column_can_be_named(way, write):
    short = "y,pixels\n1,1 2 3 4\n2,5 6 7 8\n"
    assert read_table(write(short), image="pixels")[1].shape == (2, 2, 2, 1)
    with pytest.raises(HandsonError, match=r"no column 'pixel' \(the image column\). Did you mean 'pixels'"):
        read_table(write(short), image="pixel")


def test_the_images_are_not_copied_for_every_column(monkeypatch, way, write):
    """pandas copies `attrs` deeply whenever a column is taken: 30 columns would copy all images 60 times."""
    copied = []
    monkeypatch.setattr("pandas.core.generic.deepcopy", lambda value, *_: copied.append(value) or dict(value))
    read(write("y,z,Image\n" + "".join(f"{row},{row},{IMAGE}\n" for row in range(4))))
    assert not any(isinstance(value, dict) and "images" in value for value in copied)


# Tables without images


def test_columns_are_those_of_pandas(write, rng):
    expected = pd.DataFrame(rng.normal(size=(20, 3)), columns=["a", "b", "y"])
    expected.loc[3, "y"] = np.nan
    path = write(expected.to_csv(index=False))
    data = read(path, targets="y")
    np.testing.assert_allclose(data.inputs, expected[["a", "b"]], rtol=1e-6)
    np.testing.assert_allclose(data.targets, expected[["y"]], rtol=1e-6)
    assert (data.inputs.dtype, data.targets.dtype) == (np.float32, np.float32)
    assert (data.input_names, data.target_names) == (["a", "b"], ["y"])


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zip", ".parquet"])
def test_compressed_and_parquet_tables_hold_the_same(tmp_path, rng, suffix):
    frame = pd.DataFrame({"a": rng.normal(size=9), "b": rng.integers(0, 5, 9), "y": ["u", "v", "w"] * 3})
    path = tmp_path / f"table{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    data = read(path, targets="y")
    np.testing.assert_allclose(data.inputs, frame[["a", "b"]], rtol=1e-6)
    assert data.classes == ["u", "v", "w"]


@pytest.mark.parametrize("kind", ["lists", "text"])
def test_parquet_tables_hold_images_as_lists_or_text(tmp_path, kind):
    images = np.arange(32).reshape(2, 16)
    column = list(images) if kind == "lists" else [" ".join(map(str, image)) for image in images]
    pd.DataFrame({"y": [1.0, 2.0], "Image": column}).to_parquet(tmp_path / "a.parquet")
    data = read(tmp_path / "a.parquet", image="Image")
    np.testing.assert_array_equal(data.inputs.reshape(2, 16), images)
    assert data.target_names == ["y"]


def test_with_images_all_columns_of_numbers_are_targets_but_ids_and_groups(way, write):
    text = f"id,person,x,y,name,Image\n7,u,1,2,a,{IMAGE}\n8,v,3,,b,{IMAGE}\n"
    data = read(write(text), ids="id", groups="person")
    assert data.target_names == ["x", "y"]
    np.testing.assert_array_equal(data.targets, [[1, 2], [3, np.nan]])
    np.testing.assert_array_equal(data.ids, [7, 8])
    np.testing.assert_array_equal(data.groups, ["u", "v"])
    assert data.inputs.shape == (2, 4, 4, 1)


def test_inputs_are_one_name_or_several(write):
    path = write("age,height,weight,y\n1,2,3,4\n5,6,7,8\n")
    assert read(path, targets="y", inputs=["weight", "age"]).inputs.tolist() == [[3, 1], [7, 5]]
    assert read(path, targets="y", inputs="height").inputs.tolist() == [[2], [6]]


def test_a_target_of_words_becomes_sorted_classes_and_a_missing_one_minus_one(write):
    data = read(write("a,kind\n1,star\n2,galaxy\n3,\n4,star\n"), targets="kind")
    assert data.classes == ["galaxy", "star"]
    np.testing.assert_array_equal(data.targets, [1, 0, -1, 1])
    assert data.task == "classification"


def test_given_classes_decide_the_numbers_of_words(write):
    data = read(write("a,kind\n1,star\n2,galaxy\n"), targets="kind", classes=["star", "galaxy", "quasar"])
    assert data.classes == ["star", "galaxy", "quasar"]
    np.testing.assert_array_equal(data.targets, [0, 1])


def test_numbers_are_classes_when_asked_for(write):
    data = read(write("a,kind\n1,3\n2,1\n3,\n"), targets="kind", classes="auto")
    assert data.classes == ["1", "3"]
    np.testing.assert_array_equal(data.targets, [1, 0, -1])


def test_yes_and_no_are_numbers_also_where_some_are_missing(write):
    data = read(write("a,b,y\nTrue,1,1\n,0,2\nFalse,1,3\n"), targets="y", inputs=["a"])
    np.testing.assert_array_equal(data.inputs, [[1], [np.nan], [0]])


# Errors


def test_a_word_among_numbers_is_named_with_row_and_column(write):
    with pytest.raises(HandsonError, match="table.csv, row 1, column 'a': 'x' is not a number"):
        read(write("a,y\n1,2\nx,3\n"), targets="y")


def test_a_word_among_the_numbers_of_a_target_is_named_and_makes_no_classes(write):
    """One typing error in a thousand numbers would otherwise turn a regression into a thousand classes."""
    text = "a,y\n" + "".join(f"{row},{row * 1.5}\n" for row in range(50)) + "50,1o.5\n"
    with pytest.raises(HandsonError, match="table.csv, row 50, column 'y': '1o.5' is not a number"):
        read(write(text), targets="y")


def test_words_that_are_mostly_numbers_are_classes_when_asked_for(write):
    data = read(write("a,y\n1,3\n2,4\n3,other\n"), targets="y", classes="auto")
    assert (data.classes, data.targets.tolist()) == (["3", "4", "other"], [0, 1, 2])


def test_words_in_one_of_several_targets_are_named(write):
    with pytest.raises(HandsonError, match="row 0, column 'z': 'u' is not a number"):
        read(write("a,y,z\n1,2,u\n"), targets=["y", "z"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": "heigth"}, r"no column 'heigth' \(a target\). Did you mean 'height'"),
        ({"targets": ["age", "wait"]}, r"no column 'wait' \(a target\)"),
        ({"targets": "y", "inputs": ["aeg"]}, r"no column 'aeg' \(an input\). Did you mean 'age'"),
        ({"targets": "y", "ids": "ID"}, r"no column 'ID' \(groups or ids\). Columns: 'age', 'height', 'y'"),
        ({"targets": "y", "groups": "person"}, r"no column 'person' \(groups or ids\)"),
        ({"targets": ["age", "height", "y"]}, "no input columns"),
    ],
)
def test_missing_columns_are_named_with_the_nearest(write, arguments, message):
    with pytest.raises(HandsonError, match=message):
        read(write("age,height,y\n1,2,3\n"), **arguments)


@pytest.mark.parametrize("text", ["", "\n\n", "  \n"])
def test_an_empty_file_is_empty(write, text):
    with pytest.raises(HandsonError, match="table.csv is empty"):
        read(write(text), targets="y")


@pytest.mark.parametrize("header", ["a,y\n", "y,Image\n"])
def test_a_header_alone_has_no_rows(write, header):
    with pytest.raises(HandsonError, match="table.csv has no rows"):
        read(write(header), targets="y")


def test_a_row_with_too_many_fields_is_named_by_its_line(write):
    with pytest.raises(HandsonError, match="Expected 3 fields in line 3, saw 4"):
        read(write("a,b,y\n1,2,3\n4,5,6,7\n"), targets="y")


@pytest.mark.parametrize("text", ["a,b,y\n1,2,3,4\n5,6,7,8\n", "a,b,y\n1,2,3,\n5,6,7,\n"])
def test_more_fields_than_columns_do_not_shift_the_columns(write, text):
    """pandas takes the first field for the name of the row then, and every value lands in the column before its own."""
    try:
        data = read(write(text), targets="y")
    except HandsonError as error:
        assert "3" in str(error)  # noqa: PT017
        assert "4" in str(error)  # noqa: PT017
    else:
        np.testing.assert_array_equal(data.inputs, [[1, 2], [5, 6]])
        np.testing.assert_array_equal(data.targets, [[3], [7]])


def test_text_in_another_encoding_is_refused(write):
    with pytest.raises(HandsonError, match="table.csv is not a table that can be read: 'utf-8' codec can't decode"):
        read(write("a,é\n1,2\n".encode("latin-1")))


@pytest.mark.parametrize("name", ["table.csv.gz", "table.csv.bz2", "table.csv.xz", "table.zip", "table.parquet"])
def test_a_text_with_the_name_of_another_format_is_refused(write, name):
    with pytest.raises(HandsonError, match=name):
        read(write("a,y\n1,2\n", name), targets="y")


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.xz", ".parquet"])
def test_a_truncated_file_is_refused(tmp_path, rng, suffix):
    frame, path = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "y"]), tmp_path / f"table{suffix}"
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, index=False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(HandsonError, match="table"):
        read(path, targets="y")


# Helpers


def test_an_image_of_numbers_in_lists_is_an_image():
    np.testing.assert_array_equal(parse_images([[1, 2, 3, 4]], None, "t")[0, ..., 0], [[1, 2], [3, 4]])


def test_a_square_number_of_pixels_is_a_square():
    assert [side_lengths(side * side, None, "t") for side in range(1, 300)] == [(side, side) for side in range(1, 300)]


def test_without_kernels_a_table_with_images_is_read_all_the_same(tmp_path):
    path = tmp_path / "first.csv"
    path.write_text("a,Image\n1,0 1 2 3\n2,4 5 6 7\n")
    code = f"""if True:
        from handson.data.reading import sources, tables
        tables.WORTH_A_KERNEL = 0
        print(sources.read({str(path)!r}, targets="a", image="Image").inputs.ravel().tolist())"""
    environment = os.environ | {"HANDSON_KERNELS": "none"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "[0, 1, 2, 3, 4, 5, 6, 7]\n", done.stderr
