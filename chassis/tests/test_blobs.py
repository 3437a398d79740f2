"""The embedded blob store: the common behaviour, and what plain files add to it."""

import errno
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.blobs import BlobKeyInvalid, BlobNotFound, Blobs, BlobsUnavailable, open_blobs
from chassis.testing.blobs import BlobsBehaviour, names_in


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "the store"


@pytest.fixture
async def blobs(store: Path) -> AsyncIterator[Blobs]:
    async with open_blobs(f"file://{store}") as opened:
        yield opened


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder with a secret, which lies beside the store."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(b"secret")
    return folder


class TestEmbeddedBlobs(BlobsBehaviour):
    """Runs the common behaviour."""


async def test_a_planted_link_leads_nowhere(blobs: Blobs, store: Path, outside: Path) -> None:
    (store / "folder").symlink_to(outside)
    (store / "file").symlink_to(outside / "secret")

    for key in ("folder/secret", "file"):
        with pytest.raises(BlobNotFound):
            await blobs.get(key)
    with pytest.raises(BlobKeyInvalid):
        await blobs.put("folder/new", b"content")
    await blobs.put("file", b"content")
    await blobs.delete("folder/secret")

    assert await blobs.keys() == ["file"]
    assert await blobs.keys("folder/") == []
    assert names_in(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"


async def test_what_is_no_file_is_not_there(blobs: Blobs, store: Path) -> None:
    os.mkfifo(store / "pipe")

    with pytest.raises(BlobNotFound):
        await blobs.get("pipe")
    assert await blobs.keys() == []


async def test_a_key_is_a_blob_or_a_folder(blobs: Blobs) -> None:
    await blobs.put("taken/by/this", b"content")

    with pytest.raises(BlobKeyInvalid):
        await blobs.put("taken/by", b"content")
    with pytest.raises(BlobKeyInvalid):
        await blobs.put("taken/by/this/one", b"content")

    assert await blobs.keys() == ["taken/by/this"]


async def test_an_abandoned_upload_is_cleared_away_a_day_later(blobs: Blobs, store: Path) -> None:
    old, new = store / ".incoming" / "old", store / ".incoming" / "new"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))

    await open_blobs(f"file://{store}").close()

    assert (old.exists(), new.exists()) == (False, True)


async def test_a_store_that_cannot_be_written_is_said_to_be_unavailable(
    blobs: Blobs, store: Path
) -> None:
    await blobs.put("a", b"content")
    (store / ".incoming").rmdir()

    with pytest.raises(BlobsUnavailable):
        await blobs.put("b", b"content")

    assert await blobs.keys() == ["a"]


async def test_a_full_disk_keeps_what_was_there(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await blobs.put("a", b"content")
    monkeypatch.setattr(os, "fsync", _no_space_left)

    with pytest.raises(BlobsUnavailable):
        await blobs.put("a", b"other content")

    assert await blobs.get("a") == b"content"
    assert await blobs.keys() == ["a"]


def _no_space_left(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_an_address_opens_the_file(blobs: Blobs, store: Path) -> None:
    await blobs.put("a/b.csv", b"content")

    assert blobs.uri("a/b.csv") == (store / "a" / "b.csv").as_uri()
    assert (store / "a" / "b.csv").read_bytes() == b"content"


@pytest.mark.parametrize(
    "url", ["redis://localhost", "/data", "file://relative", "s3://", "s3://key:secret@bucket/x"]
)
def test_a_url_that_names_no_store_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"s3|file") as refusal:
        open_blobs(url)

    assert "secret" not in str(refusal.value)
