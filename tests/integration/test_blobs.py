"""The blob store behaves the same on S3's protocol as on plain files."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.blobs import Blobs, BlobsUnavailable, open_blobs
from chassis.testing.blobs import BlobsBehaviour


class TestS3Blobs(BlobsBehaviour):
    """Runs the common behaviour."""

    @pytest.fixture
    async def blobs(self, s3_url: str) -> AsyncIterator[Blobs]:
        async with open_blobs(s3_url) as store:
            yield store


class TestEmbeddedBlobs(BlobsBehaviour):
    """Runs the common behaviour."""

    @pytest.fixture
    async def blobs(self, tmp_path: Path) -> AsyncIterator[Blobs]:
        async with open_blobs(f"file://{tmp_path}/store") as store:
            yield store


async def test_a_model_of_ninety_megabytes_goes_in_parts(s3_url: str, tmp_path: Path) -> None:
    """As a whole it is more than a store with little memory takes in one request."""
    with (tmp_path / "model").open("wb") as file:
        for _part in range(9):
            file.write(os.urandom(10 << 20))
    async with open_blobs(s3_url) as store:
        kept = await store.put("models/large", tmp_path / "model")
        assert kept.size == 90 << 20
        assert await store.fetch("models/large", to=tmp_path / "copy", digest=kept.digest) == kept


async def test_a_goodbye_that_takes_its_time_is_waited_for(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    store = open_blobs(s3_url)
    await store.put("a", b"content")
    session = store._files._s3._endpoint.http_session  # type: ignore[attr-defined]
    close = session.__aexit__

    async def slowly(*error: object) -> None:
        await asyncio.sleep(0.5)  # a server that is slow: s3fs itself would wait 0.1 s
        await close(*error)
        said.append("goodbye")

    monkeypatch.setattr(session, "__aexit__", slowly, raising=False)
    await store.close()
    assert said == ["goodbye"]


async def test_an_absent_bucket_is_said_to_be_unavailable(s3_url: str) -> None:
    async with open_blobs(s3_url.replace("s3://millrace/", "s3://elsewhere/")) as store:
        with pytest.raises(BlobsUnavailable):
            await store.put("a", b"content")


async def test_an_absent_server_is_said_to_be_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    async with open_blobs("s3://bucket/prefix?endpoint=http://127.0.0.1:1") as store:
        with pytest.raises(BlobsUnavailable):
            await store.put("a", b"content")
        with pytest.raises(BlobsUnavailable):
            await store.get("a")
