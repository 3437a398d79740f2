"""Blobs in an S3 bucket, through fsspec's S3 file system, whose calls run in threads.

A blob that goes into a file is read from the address that the file system signs for it.

Keys to the bucket come from the environment or the machine's role, as everywhere with S3, and never
from the URL: addresses end up in logs.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

import s3fs
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from chassis.blobs.download import download
from chassis.blobs.port import (
    CHUNK_BYTES,
    Blob,
    BlobKeyInvalid,
    BlobNotFound,
    Blobs,
    BlobsUnavailable,
    Content,
    segments,
)
from chassis.blobs.transfer import Sink, checked, read_chunks, replacing

T = TypeVar("T")

#: What is larger than two of these is sent in parts: neither we nor the store hold it as a whole.
_PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 2
#: How long an address is good for that names an object to whoever has it.
_URL_SECONDS = 900
_CONFIG = {
    "connect_timeout": 5,
    "read_timeout": 60,
    "retries": {"max_attempts": 3},
    "signature_version": "s3v4",
}


class S3Blobs(Blobs):
    """The production adapter. An object appears when its upload is complete, as S3 promises."""

    def __init__(
        self, root: str, *, endpoint: str | None = None, region: str | None = None
    ) -> None:
        """Use the objects below `<bucket>[/<prefix>]`; connects at the first use."""
        self._root = root
        self._files: Any = s3fs.S3FileSystem(
            endpoint_url=endpoint,
            client_kwargs={"region_name": region} if region else {},
            config_kwargs=_CONFIG,
            use_listings_cache=False,  # others write, too
            skip_instance_cache=True,
        )

    @classmethod
    def at(cls, url: str) -> Self:
        """Use what `s3://<bucket>/<prefix>[?endpoint=…&region=…]` names."""
        parts = urlsplit(url)
        options = parse_qs(parts.query, strict_parsing=bool(parts.query))
        if not parts.netloc or "@" in parts.netloc or set(options) - {"endpoint", "region"}:
            raise ValueError(
                "a blob store's URL is s3://<bucket>/<prefix>[?endpoint=…&region=…]; "
                "keys belong in the environment"
            )
        root = "/".join(part for part in (parts.netloc, parts.path.strip("/")) if part)
        return cls(root, **{name: values[-1] for name, values in options.items()})

    async def put(self, key: str, content: Content, *, limit: int | None = None) -> Blob:
        """Keep a blob: written to a file here first, so that nothing unfinished is ever sent."""
        path = self._path(key)
        with tempfile.NamedTemporaryFile() as file:
            sink = Sink(file.file, limit=limit)
            await sink.take(content)
            file.flush()
            await self._do(lambda: self._send(file.name, path))
        return sink.blob(key)

    async def get(self, key: str) -> bytes:
        """Return the whole content."""
        path = self._path(key)
        return await self._do(lambda: bytes(self._files.cat_file(path)), key)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield the content in chunks."""
        path = self._path(key)
        with _translated(key), await asyncio.to_thread(self._open, key, path) as file:
            async for chunk in read_chunks(file):
                yield chunk

    async def fetch(self, key: str, *, to: Path, digest: str | None = None) -> Blob:
        """Copy the content into a file."""
        path = self._path(key)
        return await self._do(lambda: self._fetch(key, path, to=to, digest=digest), key)

    async def size(self, key: str) -> int:
        """Return the length in bytes."""
        path = self._path(key)
        info = await self._do(lambda: self._files.info(path), key)
        if info["type"] != "file":
            raise BlobNotFound(key)
        return int(info["size"])

    async def keys(self, prefix: str = "") -> list[str]:
        """Return all keys that start with this text."""
        folder, _, _ = prefix.rpartition("/")
        try:
            segments(folder or "any")
        except BlobKeyInvalid:
            return []  # and no way up in a store that keeps objects as files
        found = await self._do(lambda: self._files.find(self._root, prefix=prefix))
        return sorted(path.removeprefix(f"{self._root}/") for path in found)

    async def delete(self, key: str) -> None:
        """Remove what is there."""
        path = self._path(key)
        await self._do(lambda: self._delete(path), key)

    def uri(self, key: str) -> str:
        """Return the object's address."""
        return f"s3://{self._path(key)}"

    async def close(self) -> None:
        """Close the connections, however long it takes: s3fs itself would give up after 0.1 s."""
        session = getattr(self._files, "_s3", None)
        if session is not None:
            closing = session.__aexit__(None, None, None)
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(closing, self._files.loop))

    def _path(self, key: str) -> str:
        return "/".join((self._root, *segments(key)))

    def _send(self, file: str, path: str) -> None:
        self._files.put_file(file, path, chunksize=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)

    def _open(self, key: str, path: str) -> Any:
        file = self._files.open(path, block_size=4 * CHUNK_BYTES)
        if file.details["type"] != "file":
            raise BlobNotFound(key)
        return file

    def _delete(self, path: str) -> None:
        try:
            self._files.rm_file(path)
        except OSError:
            # A store that keeps objects as files refuses to delete what is only others' folder.
            if self._files.info(path)["type"] != "directory":
                raise

    def _fetch(self, key: str, path: str, *, to: Path, digest: str | None) -> Blob:
        with replacing(to) as fresh:
            download(self._files.url(path, expires=_URL_SECONDS), fresh)
            return checked(fresh, key=key, digest=digest)

    async def _do(self, work: Callable[[], T], key: str | None = None) -> T:
        with _translated(key):
            return await asyncio.to_thread(work)


@contextmanager
def _translated(key: str | None) -> Iterator[None]:
    """Say what an error means; what is missing is the blob if a key is given, else the bucket."""
    try:
        yield
    except (OSError, BotoCoreError, ClientError) as error:
        if key is not None and isinstance(error, FileNotFoundError):
            raise BlobNotFound(key) from error
        raise BlobsUnavailable(f"the blob store failed: {type(error).__name__}") from error
