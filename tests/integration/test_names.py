"""Two gateways on one PostgreSQL let one person have a text, as name or as address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.testing import write_keys
from gateway.tests.stage import PASSWORD, Recorder, Stage, play

PAIRS = 12


@pytest.fixture
async def gateways(postgres_url: str, tmp_path: Path) -> AsyncIterator[list[Stage]]:
    """Return two gateways on a database of their own."""
    name = f"gateway_{uuid4().hex[:12]}"
    write_keys(tmp_path / "keys")
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        async with AsyncExitStack() as stack:
            recorder = await stack.enter_async_context(Recorder.listening())
            rates = {"rate_registration": "0", "rate_login": "0", "rate_anonymous": "0"}
            yield [
                await stack.enter_async_context(
                    play(tmp_path, tmp_path / "keys", recorder, database_url=url, **rates)
                )
                for _ in range(2)
            ]
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


async def test_one_text_at_the_same_moment_becomes_a_name_or_an_address(
    gateways: list[Stage],
) -> None:
    first, second = (gateway.client() for gateway in gateways)
    for number in range(PAIRS):
        wanted = f"ada{number}@example.com"
        as_address = {"email": wanted, "password": PASSWORD, "name": "Ada"}
        as_name = {**as_address, "email": f"bob{number}@example.com", "username": wanted}
        answers = await asyncio.gather(
            first.post("/api/auth/register", json=as_address),
            second.post("/api/auth/register", json=as_name),
        )
        assert sorted(each.status_code for each in answers) == [201, 409]


async def test_two_who_want_each_others_names_do_not_block_each_other(
    gateways: list[Stage],
) -> None:
    first, second = (gateway.client() for gateway in gateways)
    for number in range(PAIRS):
        one, other = f"one{number}@example.com", f"other{number}@example.com"
        bodies = [
            {"email": email, "username": username, "password": PASSWORD, "name": "Ada"}
            for email, username in ((one, other), (other, one))
        ]
        answers = await asyncio.gather(
            first.post("/api/auth/register", json=bodies[0]),
            second.post("/api/auth/register", json=bodies[1]),
        )
        assert sorted(each.status_code for each in answers) == [201, 409]
