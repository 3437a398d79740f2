"""What every blob store does, executed on each adapter.

A subclass gives the fixture `blobs`: an open store that other tests may have written to.
"""
# ruff: noqa: S101 - asserting is what a behaviour suite is for

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.blobs import (
    Blob,
    BlobDamaged,
    BlobKeyInvalid,
    BlobNotFound,
    Blobs,
    BlobTooLarge,
    Content,
)
from chassis.ids import new_uid

LARGE = bytes(range(256)) * 12_000
KEYS_THAT_LEAD_ASTRAY = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../outside",
    "a/../../outside",
    "a/..",
    "a//b",
    "a/",
    "./a",
    ".incoming/a",
    "a/.hidden",
    "a\\..\\b",
    "a\0b",
    "a\nb",
    "\ud800",
    "x" * 201,
    "/".join(["x" * 99] * 6),
]


async def in_chunks(content: bytes, size: int = 70_001) -> AsyncIterator[bytes]:
    """Yield content as an upload would."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def breaking_off() -> AsyncIterator[bytes]:
    """Yield the start of an upload whose sender goes away."""
    yield b"the start"
    raise ConnectionResetError("the sender went away")


def names_in(folder: Path) -> list[str]:
    """Return the names of what a folder holds, hidden ones included."""
    return [path.name for path in folder.iterdir()] if folder.exists() else []


class BlobsBehaviour:
    """Inherit, and give the fixture `blobs`."""

    @pytest.fixture
    def folder(self) -> str:
        return new_uid()

    @pytest.mark.parametrize("content", [b"", b"hello", LARGE], ids=["empty", "short", "large"])
    @pytest.mark.parametrize("form", ["bytes", "file", "chunks"])
    async def test_content_comes_back_with_its_length_and_digest(
        self, blobs: Blobs, folder: str, tmp_path: Path, content: bytes, form: str
    ) -> None:
        key = f"{folder}/data/file.bin"
        (tmp_path / "source").write_bytes(content)
        forms: dict[str, Content] = {
            "bytes": content,
            "file": tmp_path / "source",
            "chunks": in_chunks(content),
        }

        kept = await blobs.put(key, forms[form])

        assert kept == Blob(key, len(content), hashlib.sha256(content).hexdigest())
        assert await blobs.get(key) == content
        assert b"".join([chunk async for chunk in blobs.stream(key)]) == content
        assert await blobs.size(key) == len(content)
        assert await blobs.fetch(key, to=tmp_path / "copy", digest=kept.digest) == kept
        assert (tmp_path / "copy").read_bytes() == content

    async def test_new_content_takes_the_place_of_the_old(self, blobs: Blobs, folder: str) -> None:
        await blobs.put(f"{folder}/a", b"a longer first version")
        await blobs.put(f"{folder}/a", b"second")

        assert await blobs.get(f"{folder}/a") == b"second"
        assert await blobs.keys(folder) == [f"{folder}/a"]

    async def test_what_is_not_there_is_said_to_be_absent(
        self, blobs: Blobs, folder: str, tmp_path: Path
    ) -> None:
        copies = tmp_path / "copies"
        await blobs.put(f"{folder}/folder/a", b"a")
        for key in (f"{folder}/none", f"{folder}/none/a", f"{folder}/folder"):
            with pytest.raises(BlobNotFound):
                await blobs.get(key)
            with pytest.raises(BlobNotFound):
                await anext(blobs.stream(key))
            with pytest.raises(BlobNotFound):
                await blobs.size(key)
            with pytest.raises(BlobNotFound):
                await blobs.fetch(key, to=copies / "copy")
            await blobs.delete(key)

        assert names_in(copies) == []
        assert await blobs.get(f"{folder}/folder/a") == b"a"

    async def test_a_deleted_blob_is_gone(self, blobs: Blobs, folder: str) -> None:
        await blobs.put(f"{folder}/a", b"a")
        await blobs.put(f"{folder}/b", b"b")

        await blobs.delete(f"{folder}/a")
        await blobs.delete(f"{folder}/a")

        assert await blobs.keys(f"{folder}/") == [f"{folder}/b"]

    async def test_keys_are_listed_by_the_text_they_start_with(
        self, blobs: Blobs, folder: str
    ) -> None:
        names = ["a", "ab/c", "ab/d/e", "b", "ünï cödé +%/x y.csv"]
        for name in names:
            await blobs.put(f"{folder}/{name}", b"content")

        assert await blobs.keys(f"{folder}/") == sorted(f"{folder}/{name}" for name in names)
        assert await blobs.keys(f"{folder}/a") == [f"{folder}/{n}" for n in names[:3]]
        assert await blobs.keys(f"{folder}/ab/") == [f"{folder}/ab/c", f"{folder}/ab/d/e"]
        assert await blobs.keys(f"{folder}/none/") == []
        assert await blobs.keys("../") == []
        assert set(await blobs.keys(folder[:20])) >= {f"{folder}/a"}
        assert await blobs.get(f"{folder}/{names[-1]}") == b"content"

    @pytest.mark.parametrize("form", ["bytes", "chunks"])
    async def test_content_beyond_the_limit_is_refused_and_leaves_nothing(
        self, blobs: Blobs, folder: str, form: str
    ) -> None:
        await blobs.put(f"{folder}/old", b"old")
        content = LARGE if form == "bytes" else in_chunks(LARGE)

        with pytest.raises(BlobTooLarge):
            await blobs.put(f"{folder}/old", content, limit=len(LARGE) - 1)
        await blobs.put(f"{folder}/fits", LARGE, limit=len(LARGE))

        assert await blobs.get(f"{folder}/old") == b"old"
        assert await blobs.keys(folder) == [f"{folder}/fits", f"{folder}/old"]

    async def test_an_upload_that_breaks_off_leaves_nothing(
        self, blobs: Blobs, folder: str
    ) -> None:
        with pytest.raises(ConnectionResetError):
            await blobs.put(f"{folder}/a", breaking_off())

        assert await blobs.keys(folder) == []

    async def test_damaged_content_is_never_handed_out(
        self, blobs: Blobs, folder: str, tmp_path: Path
    ) -> None:
        await blobs.put(f"{folder}/a", b"genuine")
        to = tmp_path / "new" / "copy"
        to.parent.mkdir()
        to.write_bytes(b"what was there before")
        promised = hashlib.sha256(b"something else").hexdigest()

        with pytest.raises(BlobDamaged):
            await blobs.fetch(f"{folder}/a", to=to, digest=promised)

        assert names_in(to.parent) == ["copy"]
        assert to.read_bytes() == b"what was there before"

    @pytest.mark.parametrize("key", KEYS_THAT_LEAD_ASTRAY, ids=lambda key: repr(key)[:20])
    async def test_a_key_that_leads_astray_is_refused(
        self, blobs: Blobs, tmp_path: Path, key: str
    ) -> None:
        with pytest.raises(BlobKeyInvalid):
            await blobs.put(key, b"content")
        with pytest.raises(BlobKeyInvalid):
            await blobs.get(key)
        with pytest.raises(BlobKeyInvalid):
            await anext(blobs.stream(key))
        with pytest.raises(BlobKeyInvalid):
            await blobs.fetch(key, to=tmp_path / "copy")
        with pytest.raises(BlobKeyInvalid):
            await blobs.delete(key)
        with pytest.raises(BlobKeyInvalid):
            blobs.uri(key)

    async def test_an_address_tells_blobs_apart_and_holds_no_secret(
        self, blobs: Blobs, folder: str
    ) -> None:
        first, second = blobs.uri(f"{folder}/a"), blobs.uri(f"{folder}/b")

        assert first != second
        assert first.endswith(f"{folder}/a")
        assert "@" not in first
        assert "?" not in first

    async def test_readers_meet_one_whole_version_while_it_is_replaced(
        self, blobs: Blobs, folder: str
    ) -> None:
        key, versions = f"{folder}/a", [bytes([n]) * 50_000 for n in range(5)]
        await blobs.put(key, versions[0])

        read, _ = await asyncio.gather(
            asyncio.gather(*(blobs.get(key) for _ in range(10))),
            asyncio.gather(*(blobs.put(key, version) for version in versions)),
        )

        assert all(content in versions for content in read)
        assert await blobs.get(key) in versions
