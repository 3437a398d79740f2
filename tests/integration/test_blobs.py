"""The blob store behaves the same on S3's protocol as on plain files."""

import asyncio
import os
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chassis.blobs import Blobs, BlobsUnavailable, open_blobs
from chassis.testing.blobs import BlobsBehaviour, names_in


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


@asynccontextmanager
async def store_that_answers(*answers: bytes) -> AsyncIterator[tuple[Blobs, list[bytes]]]:
    """Open a store whose server gives these answers in turn, and yield what it is asked, too."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answers[min(len(asked), len(answers)) - 1])
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, open_blobs(f"s3://bucket/prefix?endpoint={endpoint}") as store:
        yield store, asked


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwhole"
BROKEN_OFF = WHOLE.replace(b"whole", b"who")
BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
REFUSED = BUSY.replace(b"503 Slow Down", b"403 Forbidden")


@pytest.mark.usefixtures("s3_url")  # for the keys
@pytest.mark.parametrize("first", [BROKEN_OFF, BUSY, b"", b"?\r\n\r\n"])
async def test_a_download_that_fails_is_begun_again(first: bytes, tmp_path: Path) -> None:
    async with store_that_answers(first, WHOLE) as (store, asked):
        await store.fetch("a", to=tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"whole"
    assert len(asked) == 2


@pytest.mark.usefixtures("s3_url")
@pytest.mark.parametrize("answer", [BROKEN_OFF, BUSY, REFUSED, b"", b"?\r\n\r\n"])
async def test_a_download_that_keeps_failing_says_so_and_leaves_nothing(
    answer: bytes, tmp_path: Path
) -> None:
    async with store_that_answers(answer) as (store, asked):
        with pytest.raises(BlobsUnavailable) as refusal:
            await store.fetch("a", to=tmp_path / "copy")
    assert names_in(tmp_path) == []
    assert len(asked) == 3
    # Whoever has the address with its signature may read the object.
    said = "".join(traceback.format_exception(refusal.value))
    assert "X-Amz-Signature" not in said


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
