"""A data folder for one performance: emptied, and nobody else's while the demo runs."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.home import Home
from embedded.lock import is_up

#: What the launcher says goes here.
LAUNCHER_LOG = "launcher.log"


class FolderTaken(RuntimeError):
    """The folder is somebody else's, or in use; the message says which and what to do."""


@contextmanager
def empty(wanted: Path | None) -> Iterator[Path]:
    """Yield an emptied folder that no other demo uses: the one wanted, or one of the user's own.

    Raises:
        FolderTaken: the one wanted cannot be had.
    """
    usual = Path(tempfile.gettempdir()) / f"millrace-demo-{os.getuid()}"
    try:
        home, claim = wanted or usual, _claimed(wanted or usual)
    except FolderTaken:
        if wanted is not None:
            raise
        home = Path(tempfile.mkdtemp(prefix=f"{usual.name}-"))
        claim = _claimed(home)
    try:
        yield home
    finally:
        os.close(claim)


def _claimed(home: Path) -> int:
    """Lock a folder and empty it; return what holds the lock until it is closed."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        claim = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise FolderTaken(f"{home} cannot be used: {error.strerror}.") from error
    try:
        _take(home, claim)
    except BaseException:
        os.close(claim)
        raise
    return claim


def _take(home: Path, claim: int) -> None:
    if os.fstat(claim).st_uid != os.getuid():
        raise FolderTaken(f"{home} is another user's.")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FolderTaken(f"A demo runs in {home} already.") from None
    if is_up(Home(home)):
        raise FolderTaken(f"Millrace runs in {home}; `make down` stops it.")
    inside = list(home.iterdir())
    is_ours = {"version", LAUNCHER_LOG} & {path.name for path in inside}
    if inside and not is_ours:
        raise FolderTaken(f"{home} holds something that is no data of Millrace; it stays as it is.")
    for path in inside:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
