"""Secrets of a command line are hidden in what others may read; everything else is kept."""

import json
import sys

import pytest
from interrupted import train

from handson.training.recording.secrets import redacted

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "command",
    [
        ["--api-key", SECRET], [f"--api-key={SECRET}"], ["--api_key", SECRET], ["--apiKey", SECRET], ["-token", SECRET],
        [f"--token={SECRET}"], [f"password={SECRET}"], [f"HF_TOKEN={SECRET}"], ["--wandb-api-key", SECRET],
        ["--password", SECRET], ["--db-passwd", SECRET], ["--secret", SECRET], ["--aws-secret-access-key", SECRET],
        ["--auth", SECRET], [f"--credentials={SECRET}"], [f"https://me:{SECRET}@host/x"],
        ["-H", f"X-Api-Key: {SECRET}"],
        ["-H", f"Authorization: Bearer {SECRET}"], [f"Bearer {SECRET}"], ["--passphrase", SECRET],
        ["--accesstoken", SECRET],
    ],
)  # fmt: skip
def test_no_secret_is_shown(command):
    found = redacted(["train.py", *command, "--epochs", "3"])
    assert SECRET not in " ".join(found)
    assert found[0] == "train.py"
    assert found[-2:] == ["--epochs", "3"]


@pytest.mark.parametrize(
    "word", ["sk-abcdefghijklmnopqrstuv", "ghp_" + "a1" * 18, "hf_" + "a" * 30, "AKIA" + "A1B2" * 4]
)
def test_keys_are_known_by_their_shape(word):
    assert redacted([word, f"x={word}"]) == ["***", "x=***"]


@pytest.mark.parametrize(
    "command",
    [
        ["--keypoints", "30"], ["--tokenizer", "bpe"], ["--max-tokens", "5"], ["--monkey", "3"], ["--passes", "2"],
        ["--author", "me"], ["https://host:80/x"], ["--keys-file", "a"], ["runs/a b", "-3", "--lr=1e-3"],
        ["--auth", "--epochs", "3"],
    ],
)  # fmt: skip
def test_everything_else_is_kept(command):
    assert redacted(command) == command


def test_the_starts_of_a_run_have_none(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--api-key", SECRET])
    train(tmp_path)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()
    assert json.loads((tmp_path / "starts.jsonl").read_text())["command"] == ["train.py", "--api-key", "***"]
