"""The data folder: its layout, the version of that layout, and the keys that are made with it."""

from dataclasses import dataclass
from pathlib import Path

from embedded import keys
from embedded.failure import Failure

#: Counts up when a folder of an older release can no longer be used as it is.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Home:
    """A data folder, MILLRACE_HOME."""

    path: Path

    @property
    def logs(self) -> Path:
        """Return the folder with one log file per process."""
        return self.path / "logs"

    @property
    def run(self) -> Path:
        """Return the folder that says what runs at present."""
        return self.path / "run"

    @property
    def keys(self) -> Path:
        """Return the folder of the platform's own keys."""
        return self.path / "keys"

    @property
    def traces(self) -> Path:
        """Return the folder of span files."""
        return self.path / "traces"

    @property
    def kafka(self) -> Path:
        """Return the broker's folder."""
        return self.path / "kafka"

    @property
    def servers(self) -> Path:
        """Return the folder of the real servers, where the stack runs them."""
        return self.path / "servers"


def prepare(home: Home, *, entered: bool = False) -> None:
    """Make the folder usable, or say why it is not.

    A new one is its owner's alone. `entered` says that servers with accounts of their own have
    folders in it: who knows a name may then pass through, but nobody else look around.

    Raises:
        Failure: it cannot be written, or belongs to another release.
    """
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        _check_version(home.path / "version")
        for folder in (home.logs, home.run, home.keys, home.traces, home.kafka):
            folder.mkdir(mode=0o700, exist_ok=True)
        if entered:
            home.path.chmod(home.path.stat().st_mode | 0o011)
        for name in keys.NAMES:
            keys.make(home.keys, name)
    except OSError as error:
        raise Failure(
            f"The data folder {home.path} cannot be used: {error.strerror} ({error.filename}). "
            "Set MILLRACE_HOME to a folder that can be written."
        ) from error


def _check_version(file: Path) -> None:
    if not file.exists():
        file.parent.chmod(0o700)
        keys.write_private(file, f"{VERSION}\n".encode())
    found = file.read_text(encoding="utf-8").strip()
    if found != str(VERSION):
        raise Failure(
            f"{file.parent} was written by another release (layout {found}, this one has "
            f"{VERSION}). Run that release, or set MILLRACE_HOME to another folder."
        )
    file.touch()  # a folder that can only be read is found out here and not by a service
