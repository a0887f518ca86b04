"""The commit of a working folder is that which git says, and nothing of the repository is run."""

import os
import shutil
import subprocess

import pytest
from interrupted import train

from handson.training.recording.commit import commit_of

ENVIRONMENT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "PATH": os.environ.get("PATH", "")}


def git(folder, *arguments):
    person = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", *person, *arguments]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("needs git")
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main/x-1")
    (folder / "a").write_text("a")
    git(folder, "add", "a")
    git(folder, "commit", "-qm", "a")
    return folder


CHANGES = {
    "a branch": [],
    "packed": [["pack-refs", "--all"]],
    "detached": [["checkout", "-q", "--detach"]],
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_commit_is_that_of_git(repository, changes):
    for change in changes:
        git(repository, *change)
    branch = git(repository, "branch", "--show-current") or None
    (repository / "deep" / "er").mkdir(parents=True)
    for folder in (repository, repository / "deep" / "er"):
        assert commit_of(folder) == {"commit": git(repository, "rev-parse", "HEAD"), "branch": branch}


def test_a_second_working_tree_has_its_own(repository):
    git(repository, "worktree", "add", "-q", "-b", "other", "../other")
    other = repository.parent / "other"
    git(other, "commit", "-q", "--allow-empty", "-m", "b")
    assert commit_of(other) == {"commit": git(other, "rev-parse", "HEAD"), "branch": "other"}
    assert commit_of(other) != commit_of(repository)


def test_before_the_first_commit_there_is_none(tmp_path, repository):
    git(repository, "checkout", "-q", "--orphan", "new")
    assert commit_of(repository) is None


def test_no_program_that_a_repository_names_is_run(repository, tmp_path, monkeypatch):
    program, ran = tmp_path / "program", tmp_path / "ran"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "filter.x.clean", "core.pager", "core.hooksPath"):
        git(repository, "config", key, str(program))
    (repository / ".gitattributes").write_text("* filter=x\n")
    (repository / "a").write_text("changed")
    monkeypatch.chdir(repository)
    train(tmp_path / "run")
    assert not ran.exists()
    assert '"branch": "main/x-1"' in (tmp_path / "run" / "starts.jsonl").read_text()


@pytest.mark.parametrize(
    "head", ["", "ref: refs/heads/../../../secret", "ref: /etc/passwd", "x" * 9999, "\x00", "0" * 39]
)
def test_a_head_that_is_none_gives_nothing(tmp_path, head):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    assert commit_of(tmp_path) is None


@pytest.mark.parametrize("name", [".git", ".git/HEAD", ".git/packed-refs", ".git/refs/heads/main", ".git/commondir"])
def test_pipes_in_a_repository_hold_up_nothing(tmp_path, name):
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main")
    if name == ".git":
        shutil.rmtree(tmp_path / ".git")
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    assert commit_of(tmp_path) is None
