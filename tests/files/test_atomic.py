"""Files appear whole or not at all: a full disk and failing system calls leave the older file as it was."""

import errno
import os
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson import Sequential
from handson.core.errors import HandsonError
from handson.files import atomic
from handson.layers import Dense

OLDER, NEWER = "the older file", "the newer file, which is longer"


@pytest.fixture(params=["replaced", "new"])
def place(request, tmp_path):
    """A path, with an older file there or not."""
    path = tmp_path / "a.txt"
    if request.param == "replaced":
        path.write_text(OLDER)
    return path


def failing(*arguments):
    """What a full disk does."""
    raise OSError(errno.ENOSPC, "No space left on device")


def half(place):
    """Writes a part, and finds the disk full."""
    place.write_text(NEWER[:9])
    failing()


def check_untouched(path, existed):
    """Nothing but the older file is in the folder, if there was one."""
    assert [entry.name for entry in path.parent.iterdir()] == ([path.name] if existed else [])
    assert not existed or path.read_text() == OLDER


@settings(deadline=None, max_examples=30)
@given(texts=st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=3))
def test_what_is_written_last_is_there(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("folder") / "a.txt"
    for text in texts:
        atomic.write_text(path, text)
    assert path.read_bytes().decode() == texts[-1]
    assert len(list(path.parent.iterdir())) == 1


def check_failure(place, fill):
    existed = place.exists()
    message = rf"cannot write {place}: No space left on device\.{' The older file is as it was' if existed else '$'}"
    with pytest.raises(OSError, match=message) as caught:
        atomic.write(place, fill)
    assert caught.value.errno == errno.ENOSPC
    check_untouched(place, existed)


def test_a_full_disk_while_writing_leaves_the_older_file(place):
    check_failure(place, half)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_system_call_leaves_the_older_file(monkeypatch, place, call):
    monkeypatch.setattr(os, call, failing)
    check_failure(place, lambda path: path.write_text(NEWER))


def test_the_content_is_flushed_to_the_disk_before_it_gets_its_name_and_then_the_name(monkeypatch, place):
    calls, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    atomic.write_text(place, NEWER)
    assert "fsync" in calls[: calls.index("replace")]
    assert calls[-1] == "fsync"


def test_when_the_folder_cannot_be_flushed_the_newer_file_is_there_and_nobody_says_otherwise(monkeypatch, place):
    """The rename has happened by then; some network file systems cannot flush a folder at all."""
    fsync = os.fsync

    def fails_for_folders(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", fails_for_folders)
    try:
        atomic.write_text(place, NEWER)
    except OSError as error:
        assert "as it was" not in str(error)  # noqa: PT017
    assert place.read_text() == NEWER


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_whatever_interrupts_the_writing_leaves_the_older_file(place, kind):
    existed = place.exists()

    def interrupted(path):
        path.write_text(NEWER[:9])
        raise kind

    with pytest.raises(kind):
        atomic.write(place, interrupted)
    check_untouched(place, existed)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot write .*a.txt: the folder .*nowhere is not there. Make it"):
        atomic.write_text(tmp_path / "nowhere" / "a.txt", NEWER)


def test_a_file_that_may_not_be_overwritten_is_not(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(OLDER)
    with pytest.raises(HandsonError, match=r"a.txt is there already; choose another name, or overwrite=True"):
        atomic.write(path, lambda place: place.write_text(NEWER), overwrite=False)
    check_untouched(path, True)


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match=r"cannot write .*a: Is a directory"):
        atomic.write_text(tmp_path / "a", NEWER)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


# A disk that is really full: the system refuses to let files grow beyond a limit


@pytest.fixture
def full_disk():
    """Files cannot become larger than 100,000 bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def save(net, path):
    net.save(path) if path.suffix == ".handson" else net.save_weights(path)


def net_of(units):
    net = Sequential([Dense(units, input_dim=units)], seed=0)
    net.compile("adam", "mse")
    return net


@pytest.mark.parametrize("suffix", [".handson", ".h5", ".safetensors"])
def test_a_net_that_does_not_fit_on_the_disk_is_an_error_that_names_the_file(tmp_path, suffix, request):
    path = tmp_path / f"net{suffix}"
    save(net_of(3), path)
    older = path.read_bytes()
    request.getfixturevalue("full_disk")
    with pytest.raises(OSError, match=rf"cannot write {path}: .*[Ff]ile too large.* The older file is as it was"):
        save(net_of(300), path)
    assert path.read_bytes() == older
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", [".handson", ".h5", ".safetensors"])
def test_files_can_be_read_by_whom_the_user_lets_read(tmp_path, suffix):
    """They have the permissions of any new file, so that colleagues on a cluster can load them."""
    save(net_of(3), tmp_path / f"net{suffix}")
    (tmp_path / "plain").write_text("")
    plain, ours = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", f"net{suffix}"))
    assert oct(ours) == oct(plain)
