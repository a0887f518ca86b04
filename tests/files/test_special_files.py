"""Pipes, devices and descriptors are written to, and no file takes their place; links in run folders stay."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from interrupted import data, dense, train

from handson.callbacks import CSVLogger
from handson.core import regular
from handson.core.errors import HandsonError
from handson.data.reading.sources import read
from handson.faces.submission import read_lookup
from handson.files import atomic
from handson.training.recording import checkpoint, environment
from handson.training.recording.interruption import Stopped, locked
from handson.training.recording.keeper import best_of


@pytest.fixture
def pipe(tmp_path):
    """A pipe with a reader; gives its path and a function that waits for what came."""
    path, found = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    reader.start()

    def wait():
        reader.join(20)
        return found[0]

    return path, wait


def test_a_pipe_is_written_to_and_stays(pipe):
    path, wait = pipe
    atomic.write_text(path, "one\n")
    assert wait() == b"one\n"
    assert path.is_fifo()


@pytest.mark.parametrize("suffix", [".handson", ".safetensors", ".h5"])
def test_models_go_to_pipes_too(tmp_path, suffix):
    net, (x, y) = dense(), data()
    net.compile("adam", "mse")
    net.fit(x, y, epochs=1, verbose=0)
    path, plain, found = tmp_path / f"pipe{suffix}", tmp_path / f"plain{suffix}", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    reader.start()
    for place in (path, plain):
        net.save(place) if suffix == ".handson" else net.save_weights(place)
    reader.join(20)
    assert path.is_fifo()
    assert len(found[0]) == plain.stat().st_size


def test_the_history_goes_to_a_pipe_line_by_line(pipe):
    path, wait = pipe
    net, (x, y) = dense(), data()
    net.compile("adam", "mse")
    net.fit(x, y, epochs=3, verbose=0, callbacks=[CSVLogger(path)])
    assert [line.split(b",")[0] for line in wait().splitlines()] == [b"epoch", b"0", b"1", b"2"]
    assert path.is_fifo()


def test_a_device_that_is_full_is_an_error_and_stays(tmp_path):
    link = tmp_path / "out"
    link.symlink_to("/dev/full")
    for path in (Path("/dev/full"), link):
        with pytest.raises(OSError, match=rf"cannot write {path}: No space left on device"):
            atomic.write_text(path, "x")
    assert link.is_symlink()
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("place", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_the_output_is_written_to_where_it_goes(tmp_path, place):
    """Also when it goes to a file with something in it, as after `>>`."""
    path = tmp_path / "log"
    path.write_text("before\n")
    code = f"from handson.files import atomic; atomic.write_text({place!r}, 'now\\n'); print('after')"
    with path.open("a") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert path.read_text() == "before\nnow\nafter\n"
    assert Path("/dev/stdout").is_symlink()


def test_a_link_to_a_plain_file_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "older").write_text("older")
    (tmp_path / "link").symlink_to("older")
    atomic.write_text(tmp_path / "link", "newer")
    assert [(tmp_path / name).read_text() for name in ("older", "link")] == ["older", "newer"]


# Links in run folders

VICTIMS = ["lock", "starts.jsonl", "run.json", "checkpoints", "checkpoints/set-aside", "checkpoints/best.json",
           "checkpoints/step-0000000000", "checkpoints/step-0000000004"]  # fmt: skip


@pytest.fixture
def elsewhere(tmp_path):
    """A folder that a run has no business in."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "file").write_text("precious")
    (folder / "manifest.json").write_text("precious")
    return folder


def unchanged(folder):
    return {path.name: path.read_text() for path in folder.iterdir()} == dict.fromkeys(
        ("file", "manifest.json"), "precious"
    )


@pytest.mark.parametrize("name", VICTIMS)
@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_a_run_changes_nothing_through_links(tmp_path, elsewhere, name, kind):
    link = tmp_path / "run" / name
    link.parent.mkdir(parents=True)
    link.symlink_to({"file": elsewhere / "file", "folder": elsewhere, "nothing": elsewhere / "new"}[kind])
    with contextlib.suppress(OSError, HandsonError, Stopped):
        train(tmp_path / "run", [(1, 2)], checkpoint_seconds=0.0)
    assert unchanged(elsewhere)
    assert link.is_symlink()


@pytest.mark.parametrize("name", ["lock", "starts.jsonl", "run.json", "checkpoints/best.json", "log.csv"])
def test_a_run_changes_nothing_under_another_name(tmp_path, name):
    """Hard links: what is replaced is another file afterwards, what would be changed in its place is refused."""
    (tmp_path / "precious").write_text("precious")
    link = tmp_path / "run" / name
    link.parent.mkdir(parents=True)
    link.hardlink_to(tmp_path / "precious")
    with contextlib.suppress(OSError, HandsonError, Stopped):
        train(tmp_path / "run", [(1, 2)], checkpoint_seconds=0.0)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_list_of_starts_under_another_name_is_told_and_the_training_goes_on(tmp_path, capsys):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "starts.jsonl").hardlink_to(tmp_path / "precious")
    assert train(tmp_path / "run")[2].epoch == [0, 1, 2]
    assert "several names (hard links)" in capsys.readouterr().out


def test_a_lock_under_another_name_is_refused(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").hardlink_to(tmp_path / "precious")
    with (
        pytest.raises(OSError, match=r"several names \(hard links\).*remove this one: '.*/lock'"),
        locked(tmp_path / "run"),
    ):
        pass


@pytest.mark.parametrize("name", ["history.json", "report.json", "net.handson"])
def test_a_run_waits_for_no_reader_of_a_pipe(tmp_path, name):
    atomic.guard(tmp_path)
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match=f"cannot write .*{name}: it is not a plain file"):
        atomic.write_text(tmp_path / name, "text")


def test_a_link_in_the_place_of_a_lock_is_named(tmp_path, elsewhere):
    (tmp_path / "lock").symlink_to(elsewhere / "file")
    message = r"it is a link, and in a run folder nothing is changed .* remove it: '.*/lock'"
    with pytest.raises(OSError, match=message), locked(tmp_path):
        pass
    assert unchanged(elsewhere)


def test_a_checkpoint_that_is_a_link_is_not_taken_nor_set_aside_nor_removed(tmp_path, elsewhere):
    with pytest.raises(Stopped):
        train(tmp_path / "run", [(1, 2)])
    checkpoints = tmp_path / "run" / "checkpoints"
    moved = checkpoint.generations(checkpoints)[0]
    moved.rename(elsewhere / "moved")
    moved.symlink_to(elsewhere / "moved")
    told = []
    assert checkpoint.newest(checkpoints, told.append).name != moved.name
    assert f"{moved} is a link" in told[0]
    for act in (lambda: checkpoint.set_aside(checkpoints), lambda: checkpoint.remove(moved)):
        with pytest.raises(OSError, match="it is a link"):
            act()
    assert (elsewhere / "moved" / "manifest.json").is_file()


def test_the_run_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "run").symlink_to("scratch")
    assert train(tmp_path / "run")[2].epoch == [0, 1, 2]


def test_specialists_are_not_written_through_a_link(tmp_path, elsewhere):
    atomic.guard(tmp_path)
    (tmp_path / "specialists").symlink_to(elsewhere)
    for write in (
        lambda: atomic.disk.make_folder(tmp_path / "specialists"),
        lambda: atomic.write_text(tmp_path / "specialists" / "report.json", "{}"),
        lambda: dense_saved(tmp_path / "specialists" / "net.safetensors"),
    ):
        with pytest.raises(OSError, match="it is a link"):
            write()
    assert unchanged(elsewhere)


def dense_saved(path):
    net, (x, _) = dense(), data()
    net.predict(x)
    net.save_weights(path)


# What is read


def a_pipe(path):
    os.mkfifo(path)


def an_endless_device(path):
    path.symlink_to("/dev/zero")


def a_folder(path):
    path.mkdir()


@pytest.mark.parametrize("make", [a_pipe, an_endless_device, a_folder])
@pytest.mark.parametrize("name", ["run.json", "starts.jsonl", "lock", "best.json", "lookup.csv", "log.csv"])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path, make, name):
    path = tmp_path / name
    make(path)
    acts = {
        "run.json": lambda: train(tmp_path),
        "starts.jsonl": lambda: environment.append(path, environment.torch.device("cpu")),
        "lock": lambda: train(tmp_path),
        "lookup.csv": lambda: read_lookup(path),
        "log.csv": lambda: read(path),
    }
    if name == "best.json":
        assert best_of(tmp_path) is None
        return
    with pytest.raises((OSError, HandsonError), match=name):
        acts[name]()


@pytest.mark.parametrize("text", ['{"seed": 1}', '{"seed": "x", "fingerprint": {}}', '{"seed": 1, "fingerprint": 5}',
                                  "[" * 100_000, "null", "5"])  # fmt: skip
def test_a_record_with_something_else_in_it_is_damaged(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(HandsonError, match=r"run\.json is damaged"):
        train(tmp_path)


@pytest.mark.parametrize(
    "text", ['{"checkpoint": "../../x", "monitor": "loss", "value": 1}', '{"checkpoint": 5}', "[]"]
)
def test_a_best_epoch_that_leads_elsewhere_does_not_count(tmp_path, text):
    (tmp_path / "best.json").write_text(text)
    assert best_of(tmp_path) is None


def test_what_is_changed_is_a_plain_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is not a plain file"):
        regular.open_to_change(tmp_path / "pipe")


# What killed processes leave


def test_parts_of_dead_processes_are_removed_when_a_run_goes_on(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path / "run", [(1, 2)])
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    number = int(dead.stdout)
    gone = [f".net.handson.{number}.part", f"checkpoints/.best.json.{number}.part"]
    stay = [f".net.handson.{os.getppid()}.part", "notes.part", ".notes.part", f"data.{number}.part"]
    for name in [*gone, *stay]:
        (tmp_path / "run" / name).write_text("half")
    train(tmp_path / "run")
    assert [name for name in [*gone, *stay] if (tmp_path / "run" / name).exists()] == stay
