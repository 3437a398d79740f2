"""Makes `.venv`: the locked packages, checked by digest, and this checkout's own parts as links.

Runs on whatever `python3` there is, so that an old one can be told apart from a broken one.
"""

import os
import shutil
import subprocess
import sys
from typing import Iterator, Tuple  # noqa: UP035

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
NEEDED = (3, 11)
CANDIDATES = ("python3.11", "python3.12", "python3.13", "python3")
PARTS = ("contracts", "chassis", "services", "deploy")


def suitable_python() -> str:
    """Return a Python that is new enough: this one, or another on PATH."""
    if sys.version_info >= NEEDED:
        return sys.executable
    for name in CANDIDATES:
        found = shutil.which(name)
        probe = "import sys; sys.exit(sys.version_info < %r)" % (NEEDED,)  # noqa: UP031
        if found and subprocess.call([found, "-c", probe]) == 0:  # noqa: S603
            return found
    sys.exit(
        "Millrace needs Python 3.11 or newer; %s is %d.%d and no newer one is on PATH."  # noqa: UP031
        % (sys.executable, sys.version_info[0], sys.version_info[1])
    )


def make_venv() -> None:
    """Create the virtual environment unless there is one."""
    if not os.path.exists(PYTHON) and run(suitable_python(), "-m", "venv", VENV) != 0:
        sys.exit("Python could not make a virtual environment; on Debian: apt install python3-venv")


def installers() -> Iterator[Tuple[str, ...]]:  # noqa: UP006
    """Yield the commands that can install: uv where it can be had, then pip itself."""
    if run(PYTHON, "-m", "uv", "--version", quiet=True) == 0 or (
        run(PYTHON, "-m", "pip", "install", "--quiet", "uv") == 0
    ):
        yield (PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON)
    print("Without uv: pip does the same, more slowly.")  # noqa: T201
    yield (PYTHON, "-m", "pip", "install", "--quiet")


def own_parts() -> Iterator[str]:
    """Yield the folder of every part that has a pyproject.toml of its own."""
    for part in PARTS:
        for folder in (part, *(os.path.join(part, n) for n in sorted(os.listdir(part)))):
            if os.path.exists(os.path.join(folder, "pyproject.toml")):
                yield folder


def run(*command: str, quiet: bool = False) -> int:
    """Run a command in the checkout and return its exit status."""
    sink = subprocess.DEVNULL if quiet else None
    return subprocess.call(command, cwd=ROOT, stdout=sink, stderr=sink)  # noqa: S603


def install(*arguments: str) -> None:
    """Install without resolving anything: the lock has done that."""
    if not any(run(*command, "--no-deps", *arguments) == 0 for command in installers()):
        sys.exit("Setting up .venv failed; the lines above say why. `make setup` tries again.")


def main() -> None:
    """Make the environment, fill it from the lock, link the own parts into it."""
    os.chdir(ROOT)
    make_venv()
    install("--require-hashes", "-r", "requirements-dev.txt")
    editable = [word for folder in own_parts() for word in ("--editable", "./" + folder)]
    install("--no-build-isolation", *editable)
    with open(os.path.join(VENV, "ready"), "w", encoding="utf-8") as stamp:
        stamp.write("installed from requirements-dev.txt\n")


if __name__ == "__main__":
    main()
