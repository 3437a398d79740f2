"""Item metadata becomes items after its file is kept, whatever happens on the way."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from catalog.operations import items
from catalog.operations.filling import Filler
from chassis.blobs import Blobs, BlobsUnavailable, open_blobs
from chassis.testing import ADMIN, Bench
from contracts.catalog import DataFileChanged, ItemChanged

META = "/api/v1/item_meta_data/"
MANY = b"item_id,title\n" + b"".join(b"i%d,t%d\n" % (n, n) for n in range(2500))
AWAY = OperationalError("INSERT", {}, Exception("the database went away"))


async def upload(bench: Bench, content: bytes) -> Any:
    async with bench.as_caller(ADMIN) as client:
        return await client.post(META, data={"project": "1"}, files={"file": ("a.csv", content)})


async def catalogue(bench: Bench) -> dict[str, Any]:
    async with bench.as_caller(ADMIN) as client:
        found = (await client.get("/api/items", params={"pageSize": 100})).json()
    return {each["id"]: each for each in found["data"]}


async def count(bench: Bench) -> int:
    async with bench.as_caller(ADMIN) as client:
        total: int = (await client.get("/api/items")).json()["total"]
        return total


def another(bench: Bench) -> Filler:
    """Return what runs in the process that comes after."""
    return Filler(bench.database, blobs(bench))


def blobs(bench: Bench) -> Blobs:
    return open_blobs(bench.service.settings.blobs())


@pytest.fixture
def break_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """Let the work end once with an error, in the nth transaction that writes items."""
    plain, calls = items.describe, 0

    def arrange(nth: int, error: BaseException) -> None:
        async def describe(*args: Any, **rest: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == nth:
                raise error
            await plain(*args, **rest)

        monkeypatch.setattr(items, "describe", describe)

    return arrange


@pytest.mark.parametrize(("nth", "made"), [(1, 0), (2, 1000), (3, 2000)])
async def test_a_database_that_goes_away_delays_items_but_loses_none(
    bench: Bench, break_on: Callable[[int, BaseException], None], nth: int, made: int
) -> None:
    break_on(nth, AWAY)
    assert (await upload(bench, MANY)).status_code == 201
    assert await count(bench) == made
    await another(bench).sweep()
    assert await count(bench) == 2500
    told = [each.item_id for each in await bench.emitted(ItemChanged)]
    assert (len(told), len(set(told))) == (2500, 2500)


async def test_who_dies_on_the_way_is_followed_by_another(
    bench: Bench, break_on: Callable[[int, BaseException], None]
) -> None:
    break_on(2, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await upload(bench, MANY)
    assert (await count(bench), len(await bench.emitted(DataFileChanged))) == (1000, 1)
    await another(bench).sweep()
    assert await count(bench) == 2500
    await another(bench).sweep()
    assert len(await bench.emitted(ItemChanged)) == 2500


async def test_a_file_that_is_not_kept_makes_no_items(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_args: Any, **_rest: Any) -> None:
        raise BlobsUnavailable("away")

    monkeypatch.setattr(type(blobs(bench)), "put", away)
    assert (await upload(bench, MANY)).status_code == 503
    assert (await count(bench), await bench.emitted(ItemChanged)) == (0, [])


async def test_what_is_written_after_a_file_stays(
    bench: Bench, break_on: Callable[[int, BaseException], None]
) -> None:
    break_on(1, AWAY)
    await upload(bench, b"item_id,title\nlamp,old\nchair,old\nsofa,old\n")
    await upload(bench, b"item_id,title\nlamp,new\n")
    async with bench.as_caller(ADMIN) as client:
        await client.post("/api/items", json={"id": "chair", "metadata": {"title": "newer"}})
    await another(bench).sweep()
    titles = {name: item["metadata"]["title"] for name, item in (await catalogue(bench)).items()}
    assert titles == {"lamp": "new", "chair": "newer", "sofa": "old"}


async def test_a_project_that_names_its_items_otherwise_later_does_not_matter(
    bench: Bench, break_on: Callable[[int, BaseException], None]
) -> None:
    break_on(1, AWAY)
    await upload(bench, b"item_id,sku\nlamp,1\n")
    async with bench.as_caller(ADMIN) as client:
        await client.patch("/api/v1/project/1/", json={"item_column": "sku"})
    await another(bench).sweep()
    assert list(await catalogue(bench)) == ["lamp"]


async def test_a_file_that_is_deleted_makes_no_more_items(
    bench: Bench, break_on: Callable[[int, BaseException], None]
) -> None:
    break_on(1, AWAY)
    file = (await upload(bench, MANY)).json()
    async with bench.as_caller(ADMIN) as client:
        await client.delete(f"{META}{file['id']}/unlink_file/")
    await another(bench).sweep()
    assert await count(bench) == 0


async def test_a_file_whose_bytes_are_lost_is_given_up(
    bench: Bench, break_on: Callable[[int, BaseException], None], caplog: pytest.LogCaptureFixture
) -> None:
    break_on(1, AWAY)
    await upload(bench, MANY)
    for key in await blobs(bench).keys():
        await blobs(bench).delete(key)
    for _ in range(2):
        await another(bench).sweep()
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == [
        "a file was lost before its rows became items"
    ]
