"""What a blob store does. A blob is there whole or not at all, and known by its bytes' SHA-256.

Keys are paths that services make themselves, tenant first; no key may be another's folder.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

Content = bytes | Path | AsyncIterable[bytes]

MAX_KEY_BYTES = 512
MAX_SEGMENT_BYTES = 200
#: How much is in memory at once while a blob passes through.
CHUNK_BYTES = 1024 * 1024
# No control character, no backslash, and no leading dot: so neither "..", nor what hides.
_SEGMENT = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*")


class BlobNotFound(Exception):
    """Nothing is kept under this key."""


class BlobKeyInvalid(ValueError):
    """The key could lead astray, or is another key's folder."""


class BlobTooLarge(Exception):
    """The content is longer than the limit; nothing was kept."""

    def __init__(self, limit: int) -> None:
        """Name the limit in bytes."""
        self.limit = limit
        super().__init__(f"longer than {limit} bytes")


class BlobDamaged(Exception):
    """The bytes are not those that the digest promised; nothing was handed out."""


class BlobsUnavailable(Exception):
    """The store is away or full; what was to be kept is not."""


@dataclass(frozen=True, slots=True)
class Blob:
    """What is kept: its key, its length in bytes, and its SHA-256 in hexadecimal."""

    key: str
    size: int
    digest: str


class Blobs(Protocol):
    """A store of blobs. What `put` returned for survives the death of this process and machine."""

    async def put(self, key: str, content: Content, *, limit: int | None = None) -> Blob:
        """Keep bytes, a file, or chunks as they come, in place of what was there.

        Raises:
            BlobTooLarge: it is longer than `limit` bytes.
        """

    async def get(self, key: str) -> bytes:
        """Return the whole content.

        Raises:
            BlobNotFound: nothing is there.
        """

    def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield the content in chunks; the first one says whether anything is there."""

    async def fetch(self, key: str, *, to: Path, digest: str | None = None) -> Blob:
        """Copy the content into a file, which appears whole or not at all.

        Raises:
            BlobDamaged: it does not have the digest.
        """

    async def size(self, key: str) -> int:
        """Return the length in bytes.

        Raises:
            BlobNotFound: nothing is there.
        """

    async def keys(self, prefix: str = "") -> list[str]:
        """Return all keys that start with this text, sorted."""

    async def delete(self, key: str) -> None:
        """Remove what is there, if anything is."""

    async def delete_folder(self, folder: str) -> int:
        """Remove all blobs whose keys lie below a folder; return how many there were.

        Those that are put there meanwhile may stay.
        """
        keys = await self.keys(f"{folder}/")
        for key in keys:
            await self.delete(key)
        return len(keys)

    def uri(self, key: str) -> str:
        """Return the address by which other programs find the blob; it holds no secret."""

    async def close(self) -> None:
        """Let go of the store."""

    async def __aenter__(self) -> Self:
        """Return the store itself."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
        await self.close()


def segments(key: str) -> list[str]:
    """Return the parts of a key, checked: no way up, none absolute, nothing hidden, not too long.

    Raises:
        BlobKeyInvalid: it is no such key.
    """
    parts = key.split("/")
    if not all(_is_segment(part) for part in parts) or len(key.encode()) > MAX_KEY_BYTES:
        raise BlobKeyInvalid(f"{key[:80]!r} is no key: names joined by /, none starting with a dot")
    return parts


def _is_segment(part: str) -> bool:
    try:
        return bool(_SEGMENT.fullmatch(part)) and len(part.encode()) <= MAX_SEGMENT_BYTES
    except UnicodeEncodeError:
        return False
