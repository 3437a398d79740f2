"""Writers that race on a real PostgreSQL: none announces what is past, none waits in a ring."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

import catalog.app
import experiments.app
from catalog.domain.interactions import Interaction
from catalog.operations import interactions, projects
from catalog.operations.data_files import FilesOfKind
from catalog.store import data_files
from catalog.store import interactions as kept_interactions
from chassis import erasures
from chassis.away import is_away, is_unfit
from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.testing import (
    ADMIN,
    OTHER_TENANT,
    STRANGER,
    TENANT,
    Bench,
    on_the_bench,
    settings_in,
    write_keys,
)
from contracts.catalog import DataFileChanged, DataFileDeleted, ProjectChanged, ProjectDeleted
from contracts.conversions import ConversionType
from contracts.interactions import InteractionType
from contracts.tenants import PersonErased, TenantRegistered
from experiments.domain.conversions import Report
from experiments.operations.conversions import Kept
from experiments.operations.doors import SingleDoor
from experiments.tests.world import a_running_test, model, project
from gateway.tests.stage import Recorder, play

_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = :name"
)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return a folder with a gateway's keys."""
    write_keys(tmp_path / "keys")
    return tmp_path / "keys"


@asynccontextmanager
async def database_on(postgres_url: str) -> AsyncIterator[str]:
    """Return the URL of a database of this test's own."""
    name = f"racing_{uuid4().hex[:12]}"
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.fixture
async def shop(postgres_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Return catalog with a tenant."""
    told = TenantRegistered(
        tenant_id=TENANT, occurred_at=datetime(2026, 1, 1, tzinfo=UTC), name="t", owner_id=1
    )
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database_on(postgres_url))
        service = catalog.app.build(settings_in(tmp_path, database_url=url))
        bench = await stack.enter_async_context(on_the_bench(service))
        await bench.deliver(told, to="tenants")
        yield bench


async def waits(database: Database) -> bool:
    """Tell whether somebody waits for a lock of this database."""
    async with database.engine.connect() as connection:
        named = {"name": make_url(database.url).database}
        return bool((await connection.execute(text(_WAITING), named)).scalar())


async def one_after_the_other(
    database: Database,
    first: Callable[[Transaction], Awaitable[Any]],
    second: Callable[[Transaction], Awaitable[Any]],
) -> Any:
    """Carry out `first`, and commit it when `second` waits for it; return what comes of that."""

    async def follow() -> Any:
        async with database.transaction(ADMIN) as tx:
            return await second(tx)

    async with database.transaction(ADMIN) as tx:
        await first(tx)
        following = asyncio.create_task(follow())
        async with asyncio.timeout(20):
            while not await waits(database):  # noqa: ASYNC110 - there is nothing to be told by
                await asyncio.sleep(0.01)
    return await following


async def a_project(bench: Bench) -> int:
    async with bench.as_caller(ADMIN) as client:
        body = {"name": uuid4().hex, "user_column": "u", "item_column": "i"}
        answer = await client.post("/api/v1/project/", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])


async def test_the_last_word_of_a_project_is_how_it_stands(shop: Bench) -> None:
    made = await a_project(shop)
    await one_after_the_other(
        shop.database,
        lambda tx: projects.change(tx, made, {"name": "renamed"}),
        lambda tx: projects.change(tx, made, {"user_column": "visitor"}),
    )
    told = [e for e in await shop.emitted(ProjectChanged) if e.project_id == made]
    assert [e.revision for e in told] == [1, 2, 3]
    assert (told[-1].name, told[-1].user_column) == ("renamed", "visitor")


async def test_a_deleted_project_is_not_told_of_again(shop: Bench) -> None:
    made = await a_project(shop)
    changed = await one_after_the_other(
        shop.database,
        lambda tx: projects.remove(tx, made),
        lambda tx: projects.change(tx, made, {"name": "renamed"}),
    )
    assert changed is None
    last = [e for e in await shop.emitted() if getattr(e, "project_id", None) == made][-1]
    assert isinstance(last, ProjectDeleted)


async def test_changing_and_deleting_at_once_is_never_our_fault(shop: Bench) -> None:
    for _round in range(10):
        made = await a_project(shop)
        path = f"/api/v1/project/{made}/"
        async with shop.as_caller(ADMIN) as client:
            changed, gone, again = await asyncio.gather(
                client.patch(path, json={"name": uuid4().hex}),
                client.delete(path),
                client.delete(path),
            )
        assert changed.status_code in {200, 404, 409}
        assert sorted([gone.status_code, again.status_code]) in ([204, 404], [204, 409])


async def test_an_unlinked_file_that_goes_is_not_told_of_again(shop: Bench) -> None:
    made = await a_project(shop)
    async with shop.as_caller(ADMIN) as client:
        sent = {"file": ("a.csv", b"u,i\na,b\n")}
        answer = await client.post("/api/v1/training_data/", data={"project": made}, files=sent)
        assert answer.status_code == 201, answer.text
    file_id = answer.json()["id"]
    files = FilesOfKind("training_data", noun="TrainingData")
    await one_after_the_other(
        shop.database, lambda tx: files.remove(tx, file_id), lambda tx: files.unlink(tx, file_id)
    )
    kinds = (DataFileChanged, DataFileDeleted)
    assert isinstance(
        [e for e in await shop.emitted() if isinstance(e, kinds)][-1], DataFileDeleted
    )
    async with shop.database.transaction(ADMIN) as tx:
        assert await data_files.get(tx, file_id, kind="training_data") is None


async def test_what_comes_while_a_person_is_erased_is_not_kept(shop: Bench) -> None:
    """The fact waits for the erasure, or the erasure for the fact: neither passes the other by."""
    at = datetime(2026, 1, 15, tzinfo=UTC)
    told = Interaction("e", "ann", "i", InteractionType.VIEW, at)
    outcomes = await one_after_the_other(
        shop.database,
        lambda tx: interactions.erase_person(tx, "ann", at=at + timedelta(hours=1)),
        lambda tx: interactions.keep(tx, [told]),
    )
    assert [type(each).__name__ for each in outcomes] == ["Conflict"]
    erased = PersonErased(tenant_id=TENANT, occurred_at=at + timedelta(hours=1), person_uid="bob")
    of_bob = Interaction("f", "bob", "i", InteractionType.VIEW, at)
    await one_after_the_other(
        shop.database,
        lambda tx: interactions.keep(tx, [of_bob]),
        lambda tx: interactions.erase_person(tx, "bob", at=erased.occurred_at),
    )
    async with shop.database.transaction(ADMIN) as tx:
        assert await kept_interactions.count(tx) == 0
        assert (await erasures.among(tx, {"ann", "bob"})).until.keys() == {"ann", "bob"}


async def deadlocks(database: Database) -> int:
    """Return how often the server had to end a transaction to free another."""
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    async with database.engine.connect() as connection:
        await connection.execute(text("SELECT pg_stat_force_next_flush()"))
        return int((await connection.execute(text(query))).scalar_one())


async def test_replicas_of_experiments_do_not_block_each_other(
    postgres_url: str, tmp_path: Path
) -> None:
    """Each is told of the same two tenants' conversions, in opposite order."""
    async with database_on(postgres_url) as url, AsyncExitStack() as stack:
        made = [
            experiments.app.build(settings_in(tmp_path, database_url=url), patience=0.0)
            for _ in range(2)
        ]
        benches = [await stack.enter_async_context(on_the_bench(each)) for each in made]
        await benches[0].deliver(project(1), project(9, OTHER_TENANT))
        await benches[0].deliver(model(11, 1), model(91, 9, OTHER_TENANT))
        tests = {}
        for caller, number, trained in ((ADMIN, 1, 11), (STRANGER, 9, 91)):
            async with benches[0].as_caller(caller) as client:
                slots = []
                for name in ("control", "variant"):
                    body = {"project": number, "name": name, "trained_model": trained}
                    slots.append((await client.post("/api/v1/deployment_slot/", json=body)).json())
                arms = {"control_slot": slots[0]["id"], "variant_slot": slots[1]["id"]}
                tests[caller.tenant_id] = await a_running_test(client, project=number, **arms)
        doors = [SingleDoor(bench.database) for bench in benches]

        async def tell(door: SingleDoor, callers: Sequence[Caller], turn: int) -> list[Kept]:
            # The first is kept alone; those that come meanwhile are kept together, as they came.
            came = [callers[0], *(caller for caller in callers for _each in range(60))]
            return await asyncio.gather(
                *(
                    door.record(_report(tests[caller.tenant_id], turn, n), caller)
                    for n, caller in enumerate(came)
                )
            )

        for turn in range(10):
            kept = await asyncio.gather(
                tell(doors[0], (ADMIN, STRANGER), 2 * turn),
                tell(doors[1], (STRANGER, ADMIN), 2 * turn + 1),
            )
            assert [len(each) for each in kept] == [121, 121]
        assert await deadlocks(benches[0].database) == 0


def _report(test: dict[str, Any], turn: int, number: int) -> Report:
    return Report(
        project_id=test["project"],
        slot_id=test["control_slot"],
        user_id=f"u{number % 3}",
        item_id="",
        conversion_type=ConversionType.CLICK,
        request_id=None,
        details={},
        source="http",
        event_id=f"{turn}-{number}",
        occurred_at=datetime.now(UTC),
    )


async def test_names_that_grow_when_they_are_folded_are_refused(
    postgres_url: str, tmp_path: Path, keys: Path
) -> None:
    async with (
        database_on(postgres_url) as url,
        Recorder.listening() as recorder,
        play(tmp_path, keys, recorder, database_url=url) as stage,
    ):
        body = {"email": "a@example.com", "name": "A", "password": "a long pass phrase 1"}
        for letter in ("\u0390", "\u00df"):  # folded, they are three letters and two
            named = body | {"username": letter * 150}
            answer = await stage.client().post("/api/auth/register", json=named)
            assert answer.status_code == 400, answer.text
            assert [each["field"] for each in answer.json()["errors"]] == ["username"]
        answer = await stage.client().post(
            "/api/auth/login", json={"username": "\u0390" * 300, "password": "x"}
        )
        assert answer.status_code in {400, 401}


async def test_what_the_driver_cannot_send_is_unfit_and_not_away(shop: Bench) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever class the driver has
        async with shop.database.transaction(tenant_id=None) as tx:
            await tx.session.execute(text("SELECT CAST(:n AS bigint)"), {"n": 2**70})
    assert is_unfit(caught.value)
    assert not is_away(caught.value)
