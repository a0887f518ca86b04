"""What the pages show is true: their Python runs, their links lead somewhere, their commands and keys are there."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from handson.cli.commands import app
from handson.core import registry
from handson.workflow.experiment import Experiment

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
named = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@named
def test_every_python_block_runs(page, tmp_path, monkeypatch):
    for kind, entries in list(registry._entries.items()):  # what a page registers is gone after it
        registry.known(kind)
        monkeypatch.setitem(registry._entries, kind, dict(entries))
    monkeypatch.setattr(registry, "_names", dict(registry._names))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), {})


@named
def test_every_yaml_block_is_an_experiment(page, tmp_path):
    for block in blocks(page, "yaml"):
        (tmp_path / "a.yaml").write_text(block)
        Experiment.from_yaml(tmp_path / "a.yaml").build()


@named
def test_every_link_and_picture_is_there(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@named
def test_every_command_is_one(page):
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"^(?:\| `)?handson ([a-z]+)", text, re.MULTILINE):
        assert name in commands, name


def test_every_command_is_on_the_page_of_commands():
    text = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    for command in app.registered_commands:
        assert f"`handson {command.name or command.callback.__name__}" in text


def test_every_section_and_key_of_an_experiment_is_on_its_page():
    text = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    for section, field in Experiment.model_fields.items():
        assert section == "name" or f"| `{section}` |" in text, section
        line = next((line for line in text.splitlines() if line.startswith(f"| `{section}` |")), "")
        for key in getattr(field.annotation, "model_fields", {}):
            assert f"`{key}`" in line, f"{section}.{key}"


def test_help_shows_every_command():
    shown = CliRunner().invoke(app, ["--help"]).stdout
    for command in app.registered_commands:
        assert (command.name or command.callback.__name__) in shown
