"""Small file systems under servers: what a server keeps is moved there and back again."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.faults import FULL, Fault
from tests.chaos.stage import Stage, hold
from tests.running import until

#: Servers that a small file system is put under, and whose disk no request waits for.
DEVICES = ("postgres", "s3")
_BEHIND = {"s3"}
_SIZE = "512m"
#: Bytes of ballast written at once.
_CHUNK = 64 * 1024


def device_full(name: str) -> Fault:
    """Fill the small file system that a server keeps its data on, then make room again."""

    def strike(stage: Stage) -> None:
        ballast = _folder(stage, name) / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                with suppress(OSError):
                    while True:
                        file.write(bytes(_CHUNK))
                hold(FULL)
            finally:
                ballast.unlink()

    return Fault(f"disk full under {name}", strike, unseen=name in _BEHIND)


@contextmanager
def small_devices(stage: Stage) -> Iterator[None]:
    """Have the servers keep their data on small file systems for a block."""
    with ExitStack() as stack:
        for name in DEVICES:
            stack.enter_context(_moved(stage, name))
        until(stage.is_whole, within=90)
        yield
    until(stage.is_whole, within=90)


@contextmanager
def _moved(stage: Stage, name: str) -> Iterator[None]:
    folder = _folder(stage, name)
    small = folder.with_name(f"{name}.small")
    small.mkdir()
    _mount(small)
    try:
        with stage.stack.without(name):
            _move(folder, small)
            folder.symlink_to(small)
        yield
        with stage.stack.without(name):
            folder.unlink()
            _move(small, folder)
    finally:
        subprocess.run(("umount", "--lazy", str(small)), check=True)
        small.rmdir()


def _mount(folder: Path) -> None:
    mount = ("mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "millrace", str(folder))
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"A full disk takes root, to mount a small one: {done.stderr.strip()}")


def _move(source: Path, target: Path) -> None:
    """Move what a folder holds into another, owners included."""
    target.mkdir(exist_ok=True)
    subprocess.run(("cp", "-a", f"{source}/.", str(target)), check=True)
    if not source.is_mount():
        shutil.rmtree(source)


def _folder(stage: Stage, name: str) -> Path:
    return stage.stack.home / "servers" / name
