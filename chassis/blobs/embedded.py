"""Blobs as files below one folder.

Every step below the folder is taken from an open folder and follows no symbolic link, so that
nothing planted there leads outside. A file is written aside, synced and renamed.
"""

import asyncio
import errno
import os
import shutil
import stat
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from chassis.blobs.port import (
    Blob,
    BlobKeyInvalid,
    BlobNotFound,
    Blobs,
    Content,
    segments,
)
from chassis.blobs.transfer import Sink, checked, read_chunks, replacing, translated

#: Where files are while they are written; no key starts with a dot.
_INCOMING = ".incoming"
_ABANDONED_SECONDS = 24 * 3600
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
#: Without O_NONBLOCK, opening a planted pipe would wait for ever.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_ASTRAY = (errno.ENOTDIR, errno.EISDIR, errno.ELOOP)


class FileBlobs(Blobs):
    """The embedded adapter."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, made if absent."""
        folder.mkdir(parents=True, exist_ok=True)
        self._root = folder.resolve()
        (self._root / _INCOMING).mkdir(exist_ok=True)
        _clear_abandoned(self._root / _INCOMING)

    @classmethod
    def at(cls, url: str) -> Self:
        """Use the folder that `file:///absolute` names."""
        path = Path(url.removeprefix("file://"))
        if not path.is_absolute():
            raise ValueError("a blob store's URL is file:///<absolute folder>")
        return cls(path)

    async def put(self, key: str, content: Content, *, limit: int | None = None) -> Blob:
        """Keep a blob."""
        segments(key)
        with self._incoming() as (name, file):
            sink = Sink(file, limit=limit)
            await sink.take(content)
            await asyncio.to_thread(self._publish, name, file, key)
            return sink.blob(key)

    async def get(self, key: str) -> bytes:
        """Return the whole content."""
        return await asyncio.to_thread(self._read, key)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield the content in chunks."""
        with await asyncio.to_thread(self._open, key) as file, translated():
            async for chunk in read_chunks(file):
                yield chunk

    async def fetch(self, key: str, *, to: Path, digest: str | None = None) -> Blob:
        """Copy the content into a file."""
        return await asyncio.to_thread(self._fetch, key, to, digest)

    async def size(self, key: str) -> int:
        """Return the length in bytes."""
        with await asyncio.to_thread(self._open, key) as file:
            return os.fstat(file.fileno()).st_size

    async def keys(self, prefix: str = "") -> list[str]:
        """Return all keys that start with this text."""
        return await asyncio.to_thread(self._keys, prefix)

    async def delete(self, key: str) -> None:
        """Remove what is there."""
        await asyncio.to_thread(self._delete, key)

    def uri(self, key: str) -> str:
        """Return the file's URI."""
        return self._root.joinpath(*segments(key)).as_uri()

    async def close(self) -> None:
        """Nothing is held open between calls."""

    @contextmanager
    def _incoming(self) -> Iterator[tuple[str, BinaryIO]]:
        """Yield a new file, aside; it is removed unless it was published."""
        name = uuid.uuid4().hex
        path = self._root / _INCOMING / name
        with translated():
            file = os.fdopen(os.open(path, _WRITE, 0o600), "wb")
        with file:
            try:
                yield name, file
            finally:
                path.unlink(missing_ok=True)

    def _publish(self, name: str, file: BinaryIO, key: str) -> None:
        *folders, leaf = segments(key)
        with translated(), _not_astray():
            file.flush()
            os.fsync(file.fileno())
            with self._folder(folders, make=True) as folder:
                os.rename(self._root / _INCOMING / name, leaf, dst_dir_fd=folder)
                os.fsync(folder)

    @contextmanager
    def _folder(self, parts: list[str], *, make: bool = False) -> Iterator[int]:
        current = os.open(self._root, _FOLDER)
        try:
            for part in parts:
                if make:
                    _make_folder(part, current)
                following = os.open(part, _FOLDER, dir_fd=current)
                os.close(current)
                current = following
            yield current
        finally:
            os.close(current)

    def _open(self, key: str) -> BinaryIO:
        *folders, leaf = segments(key)
        with translated(), _absent(key), self._folder(folders) as folder:
            file = os.fdopen(os.open(leaf, _READ, dir_fd=folder), "rb")
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file
            file.close()
            raise BlobNotFound(key)

    def _read(self, key: str) -> bytes:
        with self._open(key) as file, translated():
            return file.read()

    def _fetch(self, key: str, to: Path, digest: str | None) -> Blob:
        with self._open(key) as source, translated(), replacing(to) as fresh:
            with fresh.open("wb") as target:
                shutil.copyfileobj(source, target)
            return checked(fresh, key=key, digest=digest)

    def _keys(self, prefix: str) -> list[str]:
        folder, _, _ = prefix.rpartition("/")
        try:
            parts = segments(folder) if folder else []
            with self._folder(parts) as start:
                found = [f"{folder}/{name}" if folder else name for name in _files_below(start)]
        except (BlobKeyInvalid, FileNotFoundError, NotADirectoryError):
            return []
        return sorted(key for key in found if key.startswith(prefix))

    def _delete(self, key: str) -> None:
        *folders, leaf = segments(key)
        try:
            with translated(), _absent(key), self._folder(folders) as folder:
                os.unlink(leaf, dir_fd=folder)
                os.fsync(folder)
        except BlobNotFound:
            return


def _files_below(start: int) -> Iterator[str]:
    for place, folders, files, descriptor in os.fwalk(".", dir_fd=start, follow_symlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if _is_file(name, descriptor):
                yield os.path.join(place, name).removeprefix("./")


def _is_file(name: str, folder: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False  # deleted meanwhile


def _make_folder(name: str, parent: int) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return
    os.fsync(parent)


def _clear_abandoned(incoming: Path) -> None:
    """Remove what a killed process left half written long ago."""
    for path in incoming.iterdir():
        if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
            path.unlink(missing_ok=True)


@contextmanager
def _not_astray() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _ASTRAY:
            raise
        raise BlobKeyInvalid("the key leads through what is no folder of this store") from error


@contextmanager
def _absent(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (*_ASTRAY, errno.ENOENT):
            raise
        raise BlobNotFound(key) from error
