"""Builds the kernels in C with the package: what pyproject.toml cannot say.

``python setup.py kernels`` builds them in a working copy; ``HANDSON_TARGET`` is the machine that a wheel is for, one of
`WHEELS`, where it is not this one. The compiler is zig's clang, which pip brings for the build (``ziglang``), and
else the one that is there (``$CC``, or cc).
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

from setuptools import Command, Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SOURCES, FOLDER = ROOT / "src/handson/kernels/c", Path("handson/kernels/lib")
FLAGS = [
    "-std=gnu11", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-psabi",
    # Fused, but never reassociated: NaN and infinity stay what they are, and sums are taken in the order written.
    "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math",
]  # fmt: skip
# The machines that wheels are for: zig's name of the target, the tag of the wheel, and the oldest system it runs on.
WHEELS = {
    "x86_64-linux": ("x86_64-linux-gnu.2.28", "manylinux_2_28_x86_64"),
    "aarch64-linux": ("aarch64-linux-gnu.2.28", "manylinux_2_28_aarch64"),
    "arm64-macos": ("aarch64-macos.11.0", "macosx_11_0_arm64"),
}
# See `VARIANTS` in src/handson/kernels/library.py.
X86 = {
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"], "v3": ["-march=x86-64-v3"], "plain": ["-march=x86-64"]
}  # fmt: skip


def target():
    """The machine that is built for: a key of `WHEELS`, or None for another."""
    given = os.environ.get("HANDSON_TARGET")
    if given is not None and given not in WHEELS:
        raise SystemExit(f"HANDSON_TARGET={given!r}. Known: {', '.join(WHEELS)}.")
    machine = {"AMD64": "x86_64", "amd64": "x86_64"}.get(platform.machine(), platform.machine())
    here = f"{machine}-{ {'darwin': 'macos'}.get(sys.platform, sys.platform) }"
    return given or (here if here in WHEELS else None)


def compiler():
    """The command that compiles for the target."""
    if find_spec("ziglang") is not None:
        wanted = WHEELS.get(target())
        return [sys.executable, "-m", "ziglang", "cc", *(["-target", wanted[0]] if wanted else [])]
    own = shlex.split(os.environ.get("CC", "cc"))
    if "HANDSON_TARGET" not in os.environ and shutil.which(own[0]):
        return own
    raise SystemExit(
        "handson's kernels need a compiler, and there is none: pip install ziglang (pip does so by itself, unless "
        "--no-build-isolation is given), or install gcc or clang."
    )


def spelled(flags):
    """Flags as the compiler spells them: zig has no dashes in the names of processors."""
    if find_spec("ziglang") is None:
        return flags
    return [flag.replace("x86-64", "x86_64").replace("-v", "_v") if "march" in flag else flag for flag in flags]


def digest():
    """As `handson.kernels.library.digest`."""
    files = sorted(SOURCES.glob("*.[ch]"))
    return blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()


def variants():
    """The libraries that the target gets, and their flags."""
    named = target()
    machine = named.split("-")[0] if named else platform.machine()
    return X86 if machine in ("x86_64", "AMD64", "amd64") else {"plain": []}


def build(folder, more=()):
    """Build the libraries of all variants of the target into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for other in {*folder.glob("kernels-*")} - {folder / f"kernels-{variant}.so" for variant in variants()}:
        other.unlink()
    command, sources = compiler(), sorted(SOURCES.glob("*.c"))
    # Linked without the libraries of C, which a process of Python has: zig would have to make them first.
    alone = ["-nostdlib"] if find_spec("ziglang") is not None else []
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(os.cpu_count()) as pool:
        # zig keeps what it compiles; a home that cannot be written must not stop it.
        environment = {"ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch} | dict(os.environ)

        def compile_one(variant, flags, source):
            made = Path(scratch, f"{variant}-{source.stem}.o")
            run([*command, *FLAGS, *spelled(flags), *more, f'-DSOURCES="{digest()}"', "-c", source, "-o", made])
            return made

        def run(words):
            result = subprocess.run(list(map(str, words)), env=environment, capture_output=True, text=True)
            if result.returncode or "warning:" in result.stderr:
                sys.stderr.write(result.stderr)
            if result.returncode:
                raise SystemExit(f"handson's kernels could not be compiled: {shlex.join(map(str, words))}")

        started = {
            variant: [pool.submit(compile_one, variant, flags, source) for source in sources]
            for variant, flags in variants().items()
        }
        for variant, objects in started.items():
            made, place = Path(scratch, f"{variant}.so"), folder / f"kernels-{variant}.so"
            run([*command, "-shared", "-s", *alone, *more, *(each.result() for each in objects), "-o", made])
            # Into its place at once: a process may have the one before in use.
            shutil.copy(made, place.with_suffix(".new"))
            os.replace(place.with_suffix(".new"), place)


class Kernels(Command):
    """Build the kernels where the sources are."""

    description = "build the kernels in a working copy"
    user_options = []  # noqa: RUF012 (what setuptools asks for)

    def initialize_options(self):
        pass

    def finalize_options(self):
        pass

    def run(self):
        build(ROOT / "src" / FOLDER)


class BuildWithKernels(build_py):
    """The Python files, and the kernels beside them."""

    def run(self):
        super().run()
        build(ROOT / "src" / FOLDER if self.editable_mode else Path(self.build_lib) / FOLDER)


class OfPlatform(Distribution):
    """What is installed is not the same on all machines."""

    def has_ext_modules(self):
        return True


class WheelForPlatform(bdist_wheel):
    """A wheel for one kind of machine and any Python."""

    def get_tag(self):
        _, _, here = super().get_tag()
        return "py3", "none", WHEELS[target()][1] if target() and find_spec("ziglang") is not None else here


setup(
    distclass=OfPlatform,
    cmdclass={"build_py": BuildWithKernels, "bdist_wheel": WheelForPlatform, "kernels": Kernels},
)
