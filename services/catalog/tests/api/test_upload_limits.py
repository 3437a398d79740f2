"""Uploads are bounded by a setting of their own, whatever the client says about their length."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from catalog.app import build
from chassis.testing import ADMIN, on_the_bench, settings_in


def form(content: bytes) -> bytes:
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    return head + content + b"\r\n--b--\r\n"


@pytest.mark.parametrize(("size", "declared"), [(2000, True), (200_000, True), (200_000, False)])
async def test_a_file_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, declared: bool
) -> None:
    monkeypatch.setenv("MILLRACE_MAX_UPLOAD_BYTES", "1000")
    body = form(b"x" * size)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    async with (
        on_the_bench(build(settings_in(tmp_path))) as bench,
        bench.as_caller(ADMIN) as client,
    ):
        answer = await client.post(
            "/api/v1/training_data/",
            content=body if declared else pieces(),
            headers={"content-type": "multipart/form-data; boundary=b"},
        )
    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("path", ["/api/v1/training_data/", "/api/v1/item_meta_data/"])
async def test_a_file_may_be_longer_than_other_bodies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("MILLRACE_MAX_BODY_BYTES", "1000")
    settings = settings_in(tmp_path)
    kind = {"content-type": "multipart/form-data; boundary=b"}
    async with on_the_bench(build(settings)) as bench, bench.as_caller(ADMIN) as client:
        file = await client.post(path, content=form(b"x" * 2000), headers=kind)
        other = await client.post("/api/items", content=form(b"x" * 2000), headers=kind)
    assert (file.status_code, file.json()["project"]) == (400, ["This field is required."])
    assert other.status_code == 413
