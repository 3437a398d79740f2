"""Lines on the local disk that wait to be sent on.

A line is one write to the page cache, so it survives the death of this process. Each process has a
folder of its own, held by a lock; what a dead process left is sent by the next one in its folder.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson

_SEGMENT_BYTES = 8 * 1024 * 1024
#: Bytes of lines that are read at once, as far as one line more may go beyond.
_BATCH_BYTES = 8 * 1024 * 1024
_FOLDERS = 256
_CURSOR_BYTES = 64
#: After so many seconds lines go to a new segment: a backup copies whole segments, and who is told
#: again of what left weeks ago may not know it any more.
_SEGMENT_SECONDS = 24 * 3600


class SpoolFull(OSError):
    """The spool has reached its bound: nothing more is promised until some of it has left."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some whole lines, and where the next ones begin."""

    lines: tuple[bytes, ...]
    segment: int
    offset: int


class Spool:
    """Segments of lines in one folder, and a cursor that says what has left."""

    def __init__(
        self,
        home: Path,
        *,
        limit_bytes: int,
        segment_bytes: int = _SEGMENT_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the first folder below `home` that no other process holds."""
        self._limit = limit_bytes
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._folder, self._lock = _own_folder(home)
        self._cursor = os.open(self._folder / "cursor", os.O_RDWR | os.O_CREAT, 0o600)
        self._at = self._read_cursor()
        numbers = self._segments()
        self._waiting = sum(self._path(n).stat().st_size for n in numbers) - self._at[1]
        # Always a new segment: the last line of an old one may be torn.
        self._number = max([*numbers, self._at[0]], default=0) + 1
        self._file = self._open(self._number)
        self._written = 0
        self._began = clock()

    @property
    def waiting_bytes(self) -> int:
        """Return how much has not left yet."""
        return self._waiting

    def append(self, lines: bytes) -> None:
        """Write whole lines, all or none.

        Raises:
            SpoolFull: the bound is reached, or the disk is full.
        """
        if self._waiting + len(lines) > self._limit:
            raise SpoolFull("the spool is full")
        if self._written >= self._segment_bytes or self._is_old:
            self._rotate()
        try:
            whole = os.write(self._file, lines) == len(lines)
        except OSError as error:
            raise SpoolFull(str(error)) from error
        if not whole:
            os.ftruncate(self._file, self._written)
            raise SpoolFull("the disk is full")
        self._written += len(lines)
        self._waiting += len(lines)

    def peek(self, *, limit: int) -> Batch | None:
        """Return the oldest lines that wait, None where none do."""
        while True:
            segment, offset = self._at
            if segment == self._number and offset == self._written and not self._is_old:
                return None
            found = self._lines(segment, offset, limit)
            if found:
                return Batch(tuple(found), segment, offset + sum(len(line) for line in found))
            if segment >= self._number and not self._is_old:
                return None
            if segment >= self._number:
                self._rotate()
            self._leave(segment, offset)

    def sent(self, batch: Batch) -> None:
        """Remember that a batch has left."""
        self._waiting -= batch.offset - self._at[1]
        self._move((batch.segment, batch.offset))

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._file)
        os.close(self._cursor)
        os.close(self._lock)

    @property
    def _is_old(self) -> bool:
        return self._written > 0 and self._clock() - self._began > _SEGMENT_SECONDS

    def _lines(self, segment: int, offset: int, limit: int) -> list[bytes]:
        try:
            with self._path(segment).open("rb") as file:
                file.seek(offset)
                found, size = [], 0
                for line in islice(file, limit):
                    found.append(line)
                    size += len(line)
                    if size >= _BATCH_BYTES:
                        break
        except FileNotFoundError:
            return []
        # Bytes without a newline at the end are a line that was never finished.
        return [line for line in found if line.endswith(b"\n")]

    def _leave(self, segment: int, offset: int) -> None:
        path = self._path(segment)
        if path.exists():
            self._waiting -= path.stat().st_size - offset
        following = min(n for n in [*self._segments(), self._number] if n > segment)
        self._move((following, 0))
        path.unlink(missing_ok=True)

    def _rotate(self) -> None:
        file = self._open(self._number + 1)
        os.close(self._file)
        self._file, self._number, self._written = file, self._number + 1, 0
        self._began = self._clock()

    def _open(self, number: int) -> int:
        try:
            return os.open(self._path(number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise SpoolFull(str(error)) from error

    def _read_cursor(self) -> tuple[int, int]:
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
            kept = orjson.loads(os.pread(self._cursor, _CURSOR_BYTES, 0))
            return int(kept["segment"]), int(kept["offset"])
        return min(self._segments(), default=1), 0

    def _move(self, at: tuple[int, int]) -> None:
        self._at = at
        # Always as long, so that one write replaces all of it.
        line = orjson.dumps({"segment": at[0], "offset": at[1]})
        os.pwrite(self._cursor, line.ljust(_CURSOR_BYTES), 0)

    def _segments(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("*.lines"))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012d}.lines"


def _own_folder(home: Path) -> tuple[Path, int]:
    for number in range(_FOLDERS):
        folder = home / f"{number:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return folder, lock
        os.close(lock)
    raise RuntimeError(f"{_FOLDERS} processes hold the spools below {home}")
