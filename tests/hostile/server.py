"""Reads hostile files in processes of their own, and says what that did: time, memory, files, network, processes.

A request is a line of JSON on standard input, the answer a line on standard output. The process that answers never
reads anything hostile itself: every request gets a fork of it, which is as warm as it is.
"""

import json
import os
import select
import signal
import sys
import sysconfig
import tempfile
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
# A reading that takes longer is ended: it hangs.
PATIENCE = 15.0
# What no file may ever cause.
FORBIDDEN = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.remove", "os.rename",
    "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.chown", "os.truncate", "shutil.", "tempfile.",
    "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser.", "pickle.find_class", "pty.", "winreg.",
)  # fmt: skip
READABLE = [
    Path(path).resolve()
    for path in (
        sys.prefix,
        sys.base_prefix,
        HOME / "src",
        HOME / "tests",
        "/proc",
        "/sys",
        sysconfig.get_paths()["stdlib"],
    )
]


class Watch:
    """Notes what a reading does that it must not do."""

    def __init__(self, folder, may_start):
        self.folder, self.may_start, self.found = Path(folder).resolve(), may_start, []
        self.packages = {name.partition(".")[0] for name in sys.modules} | sys.stdlib_module_names

    def __call__(self, event, arguments):
        """An audit hook."""
        if event == "open":
            self.opened(*arguments)
        elif event == "import":
            if arguments[0].partition(".")[0] not in self.packages:
                self.found.append(f"import {arguments[0]}")
        elif event.startswith(FORBIDDEN) and not self.is_reader(event, arguments):
            self.found.append(f"{event} {arguments!r:.200}")

    def opened(self, path, mode, flags):
        """A file is about to be opened."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        place = Path(os.path.realpath(os.fsdecode(path)))
        writes = flags & (os.O_WRONLY | os.O_RDWR) or (mode or "r").strip("bt+U") not in ("r", "")
        if writes and place.name != "null":
            self.found.append(f"write {place}")
        elif not any(place.is_relative_to(root) for root in (self.folder, Path("/dev/null"), *READABLE)):
            self.found.append(f"open {place}")

    def is_reader(self, event, arguments):
        """Whether the event is the start of the process that reads HDF5."""
        command = arguments[1] if event == "subprocess.Popen" else []
        return self.may_start and any("hdf5_reader.py" in str(word) for word in command)


def memory():
    """The most memory this process had since it was asked last, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    most = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return most * 1024


def processor_seconds():
    """Time on a processor, of this process and of its children: others on the machine do not count."""
    return sum(os.times()[:4])


def attempt(case, watch):
    """Read one hostile file."""
    from loaders import LOADERS

    memory()
    before = memory()
    watch.found.clear()
    outcome = {"error": None, "bases": [], "message": "", "value": None}
    started = processor_seconds()
    try:
        outcome["value"] = repr(LOADERS[case["loader"]](*case["arguments"], **case["named"]))
    except BaseException as error:
        outcome |= {"error": type(error).__name__, "bases": [base.__name__ for base in type(error).__mro__]}
        outcome["message"] = str(error)[:20_000]
    outcome["seconds"] = processor_seconds() - started
    found = list(watch.found)
    return outcome | {"bytes": memory() - before, "found": found[:20]}


def read_all(request, pipe):
    """Read all files of a request; a line for each."""
    watch = Watch(request["folder"], request["may_start"])
    sys.addaudithook(watch)
    for case in request["cases"]:
        print(json.dumps(attempt(case, watch)), file=pipe, flush=True)
    sys.stdout.flush()
    sys.stderr.flush()


def answer(request):
    """Let a fork read, with time for it; what it prints is in the last answer."""
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if child == 0:
            os.close(reader)
            for stream in (1, 2):
                os.dup2(printed.fileno(), stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            with os.fdopen(writer, "w") as pipe:
                read_all(request, pipe)
            os._exit(0)
        os.close(writer)
        text, hangs = collect(reader)
        if hangs:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        printed.seek(0)
        output = printed.read(20_000).decode(errors="replace")
    outcomes = [json.loads(line) | {"printed": output} for line in text.splitlines()]
    if len(outcomes) < len(request["cases"]):
        reason = "hangs" if hangs else f"died with status {status}"
        last = {"error": reason, "bases": [], "message": output, "seconds": PATIENCE, "bytes": 0, "found": []}
        outcomes.append(last)
    return outcomes


def collect(reader):
    """What a fork writes until it ends, and whether it was silent for too long."""
    parts = []
    with os.fdopen(reader, "rb") as pipe:
        while select.select([pipe], [], [], PATIENCE)[0]:
            part = os.read(pipe.fileno(), 1 << 16)
            if not part:
                return b"".join(parts), False
            parts.append(part)
    return b"".join(parts), True


def main():
    """Answer requests until there are no more."""
    import torch
    from loaders import warm_up

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        warm_up(Path(folder))
    os.environ["COLUMNS"] = "200"
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
