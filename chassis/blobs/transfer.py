"""Moving bytes in chunks, counted, hashed and off the event loop."""

import asyncio
import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from chassis.blobs.port import (
    CHUNK_BYTES,
    Blob,
    BlobDamaged,
    BlobsUnavailable,
    BlobTooLarge,
    Content,
)


class Sink:
    """A file that counts and hashes what is written to it, up to a limit."""

    def __init__(self, file: IO[bytes], *, limit: int | None) -> None:
        """Write to `file`, at most `limit` bytes."""
        self._file = file
        self._limit = limit
        self._hash = hashlib.sha256()
        self._size = 0

    async def take(self, content: Content) -> None:
        """Write everything.

        Raises:
            BlobTooLarge: it is longer than the limit.
        """
        if isinstance(content, bytes):
            await asyncio.to_thread(self._write, content)
        elif isinstance(content, Path):
            await asyncio.to_thread(self._copy, content)
        else:
            async for chunk in content:
                await asyncio.to_thread(self._write, chunk)

    def blob(self, key: str) -> Blob:
        """Return what has been written."""
        return Blob(key, self._size, self._hash.hexdigest())

    def _copy(self, source: Path) -> None:
        with source.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._limit is not None and self._size > self._limit:
            raise BlobTooLarge(self._limit)
        self._hash.update(chunk)
        with translated():
            self._file.write(chunk)


@contextmanager
def translated() -> Iterator[None]:
    """Say of this machine's file errors what they mean to a caller."""
    try:
        yield
    except OSError as error:
        raise BlobsUnavailable(f"the blob store failed: {error.strerror}") from error


async def read_chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    """Yield a file's content."""
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new file's path beside `path`, which takes its place if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield fresh
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def checked(path: Path, *, key: str, digest: str | None) -> Blob:
    """Return what a fetched file holds.

    Raises:
        BlobDamaged: it is not what the digest says.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if digest is not None and found != digest.lower():
        raise BlobDamaged(f"{key} has the digest {found}, not {digest}")
    return Blob(key, path.stat().st_size, found)
