"""Tenants take turns at reading uploads: what one of them sends holds up nobody else."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from catalog.operations.filling import Filler
from catalog.profiling import tables
from chassis.blobs import open_blobs
from chassis.testing import ADMIN, STRANGER, Bench
from chassis.testing.compute import until

DATA = "/api/v1/training_data/"
CSV = b"user_id,item_id,timestamp\n1,10,2026-01-01 10:00:00\n2,11,2026-01-02 11:00:00\n"


class Readers:
    """Stands before the reading of tables: lets go of those files alone that it is told."""

    def __init__(self, plain: Callable[..., Any]) -> None:
        self.plain = plain
        self.begun: list[str] = []
        self.held = threading.Event()

    def __call__(self, path: Any, *, name: str, **rest: Any) -> Any:
        self.begun.append(name)
        if name.startswith("held"):
            assert self.held.wait(60)
        return self.plain(path, name=name, **rest)


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Readers]:
    found = Readers(tables.read)
    monkeypatch.setattr(tables, "read", found)
    yield found
    found.held.set()


async def upload(bench: Bench, caller: Any, name: str) -> int:
    async with bench.as_caller(caller) as client:
        project = "1" if caller is ADMIN else "2"
        answer = await client.post(DATA, data={"project": project}, files={"file": (name, CSV)})
    return answer.status_code


async def test_a_tenants_many_uploads_leave_a_reader_to_the_others(
    bench: Bench, readers: Readers
) -> None:
    flood = [asyncio.create_task(upload(bench, ADMIN, f"held-{n}.csv")) for n in range(4)]

    async def has_begun() -> bool:
        return bool(readers.begun)

    await until(has_begun)

    async with asyncio.timeout(30):
        assert await upload(bench, STRANGER, "quick.csv") == 201

    assert readers.begun[1:] == ["quick.csv"]
    readers.held.set()
    assert await asyncio.gather(*flood) == [201] * 4


async def test_a_file_that_cannot_be_finished_holds_up_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for caller, project in ((ADMIN, "1"), (STRANGER, "2")):
        async with bench.as_caller(caller) as client:
            with monkeypatch.context() as broken:
                broken.setattr(Filler, "fill", _nothing)
                content = b"item_id,title\nlamp,one\n"
                await client.post(
                    "/api/v1/item_meta_data/",
                    data={"project": project},
                    files={"file": ("a.csv", content)},
                )
    filler = Filler(bench.database, open_blobs(bench.service.settings.blobs()))
    plain = filler._walk

    async def walk(tenant_id: str, *rest: Any) -> None:
        if tenant_id == ADMIN.tenant_id:
            raise RuntimeError("a file that nobody can finish")
        await plain(tenant_id, *rest)

    monkeypatch.setattr(filler, "_walk", walk)
    with pytest.raises(RuntimeError):
        await filler.sweep()

    async with bench.as_caller(STRANGER) as client:
        assert (await client.get("/api/items")).json()["total"] == 1


async def _nothing(*_given: Any) -> None:
    return None
