"""Uploads are bounded by a setting, whatever the client says about their length."""

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
