"""The few files of the data folder that no store holds: keys, a password, answers to announce."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from backup.places import Places

#: Below `home/` in a backup. Segments of the spool without their cursor: what had left already is
#: announced once more, and whoever listens knows it by its id.
_SPOOL = "inference/spool/*/*.lines"
_KEPT = ("admin-password", _SPOOL, f"replicas/*/{_SPOOL}")


def copy(places: Places, to: Path) -> None:
    """Copy the data folder's own files; a second time for what has grown meanwhile."""
    _copy_below(places.home, to / "home", _present(places.home, _KEPT))
    _copy_below(places.keys, to / "keys", _present(places.keys, ("*.pem",)))


def put_back(source: Path, home: Path) -> None:
    """Copy the data folder's own files back."""
    _copy_below(source / "home", home, _present(source / "home", _KEPT))


def put_back_keys(source: Path, to: Path) -> None:
    """Copy keys back into a folder; those that are there already are left alone."""
    names = _present(source / "keys", ("*.pem",))
    _copy_below(source / "keys", to, (name for name in names if not (to / name).exists()))


def _present(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        yield from (path.relative_to(folder) for path in sorted(folder.glob(pattern)))


def _copy_below(source: Path, to: Path, names: Iterator[Path]) -> None:
    for name in names:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(source / name, to / name)
        except FileNotFoundError:
            continue  # a segment whose last line has left meanwhile
