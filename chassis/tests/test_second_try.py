"""What the database refuses for the sake of another transaction is carried out again."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from chassis.app import Service
from chassis.database import Database
from chassis.dependencies import Tx
from chassis.testing import ADMIN, Bench, on_the_bench, settings_in
from chassis.tests.shop import Base


class _Refusal(Exception):
    """What a driver raises."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("secret of the database")
        self.sqlstate = sqlstate


def refusal(sqlstate: str) -> DBAPIError:
    return DBAPIError("UPDATE secret", None, _Refusal(sqlstate))


router = APIRouter()
#: What the next attempts raise.
failures: list[Exception] = []
#: The bodies that were read.
bodies: list[bytes] = []


@router.post("/one")
async def one(request: Request, tx: Tx) -> dict[str, str]:
    bodies.append(await request.body())
    if failures:
        raise failures.pop()
    return {"tenant": tx.tenant_id}


@router.post("/many")
async def many(request: Request) -> dict[str, str]:
    bodies.append(await request.body())
    raise failures.pop()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    failures.clear()
    bodies.clear()
    settings = settings_in(tmp_path)
    database = Database(settings.database("tries"), Base.metadata)
    service = Service(name="tries", settings=settings, database=database, routers=[router])
    async with on_the_bench(service) as bench:
        assert isinstance(bench, Bench)
        async with bench.as_caller(ADMIN) as client:
            yield client


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
async def test_a_deadlock_is_no_clients_business(client: httpx.AsyncClient, sqlstate: str) -> None:
    failures.extend([refusal(sqlstate), refusal(sqlstate)])
    answer = await client.post("/one", content=b"the body")
    assert answer.status_code == 200
    assert bodies == [b"the body"] * 3


async def test_one_that_never_ends_is_told(client: httpx.AsyncClient) -> None:
    failures.extend(refusal("40P01") for _ in range(10))
    answer = await client.post("/one", content=b"x")
    assert answer.status_code == 503
    assert len(bodies) == 4


async def test_nothing_else_is_tried_again(client: httpx.AsyncClient) -> None:
    failures.append(refusal("08006"))
    assert (await client.post("/one", content=b"x")).status_code == 503
    failures.append(refusal("40P01"))
    assert (await client.post("/many", content=b"x")).status_code == 503
    failures.append(refusal("40P01"))
    long = await client.post("/one", content=b"x" * 1_048_577)
    assert long.status_code == 503
    assert len(bodies) == 3


@pytest.mark.parametrize("sqlstate", ["22001", "22003", "22021", "22P05"])
async def test_what_no_column_can_hold_is_the_clients_mistake(
    client: httpx.AsyncClient, sqlstate: str
) -> None:
    failures.append(refusal(sqlstate))
    answer = await client.post("/one", content=b"x")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


async def test_a_row_that_has_gone_meanwhile_is_a_conflict(client: httpx.AsyncClient) -> None:
    failures.append(StaleDataError("secret"))
    answer = await client.post("/one", content=b"x")
    assert answer.status_code == 409
    assert "secret" not in answer.text
