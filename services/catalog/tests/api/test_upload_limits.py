"""Uploads are bounded by a setting of their own, whatever the client says about their length."""

import io
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette import formparsers

from catalog.app import build
from chassis.testing import ADMIN, TENANT, on_the_bench, settings_in
from contracts.tenants import TenantRegistered


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


async def test_a_file_is_written_where_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless: list[Nameless] = []
    monkeypatch.setattr(formparsers, "SpooledTemporaryFile", partial(Nameless, nameless))
    rows = b"".join(b"u%d,i%d\n" % (n, n) for n in range(200_000))
    async with (
        on_the_bench(build(settings_in(tmp_path))) as bench,
        bench.as_caller(ADMIN) as client,
    ):
        await bench.deliver(
            TenantRegistered(
                tenant_id=TENANT, occurred_at=bench.database.clock(), name="t", owner_id=1
            ),
            to="tenants",
        )
        answer = await client.post(
            "/api/v1/training_data/",
            data={"project": "1"},
            files={"file": ("a.csv", b"user_id,item_id\n" + rows)},
        )
    assert answer.status_code == 400
    assert answer.json()["file"] == ['Column "timestamp" not found in the upload file.']
    assert [file.written for file in nameless] == [0]


class Nameless(io.BytesIO):
    """A file that nobody could name, and how much went into it."""

    def __init__(self, made: list["Nameless"], *, max_size: int) -> None:
        super().__init__()
        self.written = 0
        made.append(self)

    def write(self, data: Any) -> int:
        self.written += len(data)
        return super().write(data)
