"""Commands with wrong input: one clear line, and exit code 2."""

import re

import pytest
from command_line import call

import handson


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explore", "trian.csv"], "no file or folder trian.csv. Did you mean 'train.csv'"),
        (["explore", "faces.yaml"], "files of the kind '.yaml' are not read. Tables: .csv"),
        (["explore", "table.csv", "--targets", "z"], "no column 'z'"),
        (["explore", "kinds.csv", "--targets", "kin"], "no column 'kin'.* Did you mean 'kind'"),
        (["explore", "table.csv", "--picture", "nowhere/a.png"], "the folder nowhere is not there"),
        (["explore", "table.csv", "--picture", "a.xyz"], "a.xyz"),
        (["fit", "face"], "no experiment is called 'face'. Did you mean 'faces'"),
        (["fit", "kinds"], "no experiment is called 'kinds'. Did you mean 'kinds.yaml'"),
        (["fit", "table.yaml", "--runs", "table.csv"], "table.csv is a file, and runs go into a folder"),
        (["predict", "tiny", "--data", "test.csv", "--out", "a.parquet"], "as CSV, not as .parquet: give --out a.csv"),
        (["fit", "facse.yaml"], "no file or folder facse.yaml. Did you mean 'faces.yaml'"),
        (["fit", "runs"], "runs.*(folder|directory)"),
        (["fit", "table.csv"], "handson new NAME --data table.csv --targets COLUMN"),
        (["new", "houses", "--targets", "y"], "without --data there is nothing to choose from"),
        (["new", "houses", "--data", "table.csv"], "say what is to be predicted, --targets NAME"),
        (["new", "houses", "--data", "table.csv", "--targets", "z"], "no column 'z'"),
        (["new", "kinds", "--data", "kinds.csv", "--targets", "kind"], "kinds.yaml is there already"),
        (["fit", "broken.yaml"], "broken.yaml, line 2: "),
        (["fit", "bytes.yaml"], "bytes.yaml is not text in UTF-8"),
        (["fit", "misspelt.yaml"], "misspelt.yaml, line 8: unknown key 'epoch' of 'fit'. Did you mean 'epochs'"),
        (["fit", "table.yaml", "--data", "tabel.csv"], "tabel.csv. Did you mean 'table.csv'"),
        (["fit", "table.yaml", "--data", "kinds.csv"], r"kinds.csv has no column 'y' \(a target\)"),
        (["fit", "table.yaml", "--data", "empty.csv"], "empty.csv is empty"),
        (["fit", "table.yaml", "--groups", "persn"], "no column 'persn'"),
        (["fit", "faces"], "the experiment names no data"),
        (["evaluate", "tniy"], "no run .*tniy.*Did you mean 'tiny'"),
        (["evaluate", "faces.yaml"], "no run .*faces.yaml"),
        (["evaluate", "tiny", "--data", "table.csv"], r"table.csv has no column 'left_eye_x' \(a target\)"),
        (["specialists", "kinds"], "(targets|regression|classes|columns)"),
        (["curves", "runs"], "no run .*runs"),
        (["predict", "tiny", "--data", "large.csv"], r"inputs of shape \(None, 8, 8, 1\); got \(None, 10, 10, 1\)"),
        (["predict", "tiny", "--data", "table.csv"], r"inputs of shape \(None, 8, 8, 1\); got \(None, 3\)"),
        (["predict", "tiny", "--data", "test.csv", "--lookup", "loookup.csv"], "Did you mean 'lookup.csv'"),
        (["predict", "tiny", "--data", "test.csv", "--lookup", "wrong_feature.csv"], "asks for 'nose_z'.*mean 'nose_"),
        (["predict", "tiny", "--data", "test.csv", "--lookup", "wrong_image.csv"], "asks for the image 77"),
        (["predict", "tiny", "--data", "test.csv", "--lookup", "table.csv"], "table.csv has no column 'RowId'"),
        (["predict", "tiny", "--data", "train.csv", "--lookup", "lookup.csv"], "train.csv has no column 'ImageId'"),
        (["predict", "tiny", "--data", "test.csv", "--out", "nowhere/a.csv"], "the folder nowhere is not there"),
        (["predict", "tiny", "--data", "test.csv", "--out", "runs"], "cannot write runs: Is a directory"),
        (["predict", "kinds", "--data", "kinds.csv", "--out", "kinds.csv"], "kinds.csv holds the data that"),
        (["predict", "kinds", "--data", "two.csv", "--out", "kinds.csv"], "kinds.csv holds the data that are read"),
        (["explore", "kinds.csv", "--picture", "kinds.csv"], "kinds.csv holds the data that are read"),
        (
            ["baseline", "kinds.csv", "--targets", "kind", "--out", "kinds.csv"],
            "kinds.csv holds the data that are read",
        ),
        (["baseline", "kinds.csv"], "'quasar' is not a number.* --targets NAME"),
        (["code", "kinds.yaml", "--out", "kinds.yaml"], "kinds.yaml is there already.* give --out kinds.py"),
        (["code", "kinds.yaml", "--out", "kinds.csv"], "kinds.csv is there already, and is no Python program"),
        (["fit", "kinds.yaml", "--seed", "99999999999999999999"], r"a seed lies between 0 and 2\*\*64 - 1"),
        (["fit", "kinds.yaml", "--data", "https://a.org/b.csv"], "is an address; files are read from a disk"),
        (["rewind", "kinds", "--to", "999999"], "is at step 60: there is no step 999999 to go back to"),
    ],
)
def test_errors_are_one_clear_line_and_exit_code_two(prepared, arguments, message):
    result = call(prepared, *arguments)
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert len(result.err.splitlines()) == 1
    assert "[Errno" not in result.err
    assert re.search(message, result.err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit"], "Missing argument 'experiment'"),
        (["fit", "table.yaml", "--epohcs", "3"], "No such option: --epohcs"),
        (["fit", "table.yaml", "--epochs", "0"], "Invalid value for '--epochs'"),
        (["fit", "table.yaml", "--epochs", "x"], "Invalid value for '--epochs'"),
        (["predict", "tiny"], "Missing option '--data'"),
        (["explroe"], "there is no command 'explroe'. Did you mean 'explore'? There are: explore, "),
        (["demo", "--faces", "3"], "Invalid value for '--faces'"),
    ],
)
def test_wrong_options_are_named_with_the_way_to_help(prepared, arguments, message):
    result = call(prepared, *arguments)
    assert result.code == 2
    assert message in result.err
    assert "--help' for help" in result.err
    assert result.err.count("Did you mean") <= 1


def test_the_version_is_shown(prepared):
    assert call(prepared, "--version").out == f"handson {handson.__version__}\n"


def test_names_that_the_errors_list_are_runs_in_the_folder_of_runs(prepared):
    assert "Runs in runs: " in call(prepared, "evaluate", "zzz").err
