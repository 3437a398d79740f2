"""More than a service can do: who gets through, who is told to come back, and how soon."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from gateway.domain.identities import Identity
from gateway.forwarding.budget import Budget
from gateway.forwarding.bulkhead import Bulkhead
from gateway.forwarding.limit import Limit
from gateway.tests.stage import Heard, Recorder, Stage, answer, play


def bulkhead(places: int, *, patience: float = 0.0) -> Bulkhead:
    """Return a bulkhead with so many places."""
    return Bulkhead("catalog", Limit(least=places, first=places, most=places), patience=patience)


class Jam:
    """A service that answers nobody until it is told to."""

    def __init__(self, recorder: Recorder) -> None:
        """Jam a recorder."""
        self.may_go = asyncio.Event()
        self.under_way = 0
        self.most = 0
        recorder.reply = self._reply

    async def _reply(self, heard: Heard) -> bytes:
        if "quick" not in heard.target:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await self.may_go.wait()
            self.under_way -= 1
        return answer()


@contextlib.asynccontextmanager
async def flood(client: httpx.AsyncClient, requests: int) -> AsyncIterator[list[httpx.Response]]:
    """Send requests at once; yield what was answered so far, and wait for the rest in the end."""
    answered: list[httpx.Response] = []

    async def ask() -> None:
        answered.append(await client.get("/api/v1/project/"))

    async with asyncio.TaskGroup() as group:
        for _ in range(requests):
            group.create_task(ask())
        yield answered


async def _until_told(answered: list[httpx.Response], number: int) -> None:
    async with asyncio.timeout(30):
        while len(answered) < number:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)


async def test_a_tenants_flood_leaves_room_for_the_others(stage: Stage, recorder: Recorder) -> None:
    noisy, quiet = await stage.admin(), await stage.admin("grace@example.com")
    jam, share = Jam(recorder), _share(stage)
    async with flood(noisy, share + 40) as answered:
        await _until_told(answered, 40)
        assert jam.most == share
        for told in answered:
            assert told.status_code == 429
            assert told.json()["code"] == "TOO_MANY_AT_ONCE"
            assert 1 <= int(told.headers["retry-after"]) <= 3
        for _ in range(5):
            assert (await quiet.get("/api/v1/project/quick")).status_code == 200
        jam.may_go.set()
    assert sorted({each.status_code for each in answered}) == [200, 429]


async def test_what_nobodys_own_flood_explains_is_503(stage: Stage, recorder: Recorder) -> None:
    first, second = await stage.admin(), await stage.admin("grace@example.com")
    jam, share = Jam(recorder), _share(stage)
    async with flood(first, share) as _, flood(second, share) as refused:
        await _until_told(refused, share // 3)
        assert {each.status_code for each in refused} == {503}
        assert {each.json()["code"] for each in refused} == {"OVERLOADED"}
        assert all(each.headers["retry-after"] for each in refused)
        jam.may_go.set()


async def test_refusals_cost_no_allowance_and_uploads_no_place(
    stage: Stage, recorder: Recorder
) -> None:
    admin = await stage.admin()
    jam, share = Jam(recorder), _share(stage)
    async with flood(admin, share) as _:
        async with asyncio.timeout(30):
            while jam.under_way < share:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        upload = await admin.post("/api/v1/training_data?quick", files={"file": b"x"})
        assert upload.status_code == 200
        jam.may_go.set()


async def test_uploads_that_take_long_hold_neither_requests_nor_others_uploads(
    stage: Stage, recorder: Recorder
) -> None:
    noisy, quiet = await stage.admin(), await stage.admin("grace@example.com")
    uploads: Bulkhead = stage.app.state.probes.upstreams["catalog"].uploads
    jam = Jam(recorder)

    async def upload(client: httpx.AsyncClient, how: str = "") -> httpx.Response:
        return await client.post(f"/api/v1/training_data{how}", files={"file": b"x"})

    slow = [asyncio.create_task(upload(noisy)) for _ in range(uploads.share)]
    async with asyncio.timeout(30):
        while jam.under_way < uploads.share:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)

    refused = await upload(noisy, "?quick")
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_AT_ONCE")
    assert (await upload(quiet, "?quick")).status_code == 200
    for client in (noisy, quiet):
        assert (await client.get("/api/v1/project/quick")).status_code == 200
    jam.may_go.set()
    assert {each.status_code for each in await asyncio.gather(*slow)} == {200}


def _share(stage: Stage) -> int:
    bulk: Bulkhead = stage.app.state.probes.upstreams["catalog"].bulkhead
    return bulk.share


async def test_whoever_has_least_under_way_is_next() -> None:
    bulk, order = bulkhead(4, patience=30), []

    async def pass_through(tenant: str) -> None:
        await bulk.enter(tenant)
        order.append(tenant)

    for _ in range(3):
        await bulk.enter("noisy")
    await bulk.enter("other")
    tasks = [asyncio.create_task(pass_through(name)) for name in ("noisy", "noisy", "quiet")]
    await asyncio.sleep(0)
    assert order == []
    bulk.leave("noisy")
    await asyncio.wait_for(tasks[2], 10)
    assert order == ["quiet"]
    bulk.leave("noisy")
    await asyncio.wait_for(tasks[0], 10)
    assert order == ["quiet", "noisy"]
    tasks[1].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await tasks[1]
    for tenant in ("noisy", "noisy", "quiet", "other"):
        bulk.leave(tenant)
    assert bulk.under_way == 0
    assert bulk._lines == bulk._inside == {}


async def test_places_are_given_back_by_those_who_give_up() -> None:
    bulk = bulkhead(1, patience=30)
    await bulk.enter("one")
    waiting = asyncio.create_task(bulk.enter("two"))
    await asyncio.sleep(0)
    bulk.leave("one")  # the turn is "two"'s from now on
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    assert bulk.under_way == 0


async def test_a_turn_that_comes_in_the_last_moment_is_taken() -> None:
    bulk, loop = bulkhead(1, patience=0.02), asyncio.get_running_loop()
    await bulk.enter("one")
    loop.call_later(0.01, bulk.leave, "one")
    waiting = asyncio.create_task(bulk.enter("two"))
    await asyncio.sleep(0)
    began = time.monotonic()
    while time.monotonic() - began < 0.05:
        pass  # a loop so busy that it sees both moments at once
    await waiting
    assert bulk.under_way == 1
    bulk.leave("two")
    assert bulk.under_way == 0


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the clock of limits: a list with the present moment."""
    now = [100.0]
    monkeypatch.setattr("gateway.forwarding.limit.time.monotonic", lambda: now[0])
    return now


def _answers(limit: Limit, moment: list[float], seconds: float, *, beside: int) -> None:
    for _ in range(20):
        limit.note(("GET", "/x"), seconds, beside=beside)
    moment[0] += 1
    limit.note(("GET", "/x"), seconds, beside=beside)


def test_a_jam_shrinks_the_limit_and_ease_lets_it_grow(moment: list[float]) -> None:
    limit = Limit(least=16, first=64, most=128)
    _answers(limit, moment, 0.002, beside=60)
    grown = limit.value
    assert grown > 64
    for _ in range(30):
        _answers(limit, moment, 0.5, beside=limit.value)
    assert limit.value == 16
    for _ in range(100):
        _answers(limit, moment, 0.002, beside=limit.value)
    assert limit.value == 128


def test_slow_answers_are_no_jam_while_few_are_under_way(moment: list[float]) -> None:
    limit = Limit(least=16, first=64, most=128)
    _answers(limit, moment, 0.002, beside=1)
    for _ in range(10):
        _answers(limit, moment, 3.0, beside=5)
    assert limit.value == 64


def test_a_slow_kind_is_compared_with_itself(moment: list[float]) -> None:
    limit = Limit(least=16, first=64, most=128)
    _answers(limit, moment, 0.002, beside=1)
    for _ in range(5):
        for _ in range(20):
            limit.note(("POST", "/slow"), 1.0, beside=limit.value)
        moment[0] += 1
    assert limit.value >= 64


def test_repeats_are_a_tenth_of_the_requests_and_a_reserve() -> None:
    budget = Budget()
    reserve = 0
    while budget.spend():
        reserve += 1
    assert reserve == 20
    for _ in range(105):
        budget.earn()
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]


async def test_a_service_learns_by_when_an_answer_is_of_use(stage: Stage) -> None:
    admin = await stage.admin()
    await admin.get("/api/v1/project/", headers={"Millrace-Deadline": "1"})
    assert float(stage.recorder.last.headers["millrace-deadline"]) > 1_700_000_000
    await admin.post("/api/v1/training_data/", files={"file": b"x"})
    assert "millrace-deadline" not in stage.recorder.last.headers


async def test_without_a_database_known_credentials_pass_and_others_wait(
    tmp_path: Path, keys: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_self: object, _secret: str) -> Identity:
        raise OperationalError("SELECT", None, OSError("gone"))

    async with play(tmp_path, keys, recorder) as stage:
        known, unknown = await stage.admin(), await stage.admin("grace@example.com")
        assert (await known.get("/api/v1/project/")).status_code == 200
        monkeypatch.setattr(type(stage.credentials), "of_token", away)
        assert (await known.get("/api/v1/project/")).status_code == 200
        refused = await unknown.get("/api/v1/project/")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


async def test_a_frozen_database_holds_nobody_for_ever(
    tmp_path: Path, keys: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def frozen(_self: object, _secret: str) -> Identity:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("gateway.forwarding.remembered._PATIENCE", 0.05)
    async with play(tmp_path, keys, recorder) as stage:
        admin = await stage.admin()
        monkeypatch.setattr(type(stage.credentials), "of_token", frozen)
        async with asyncio.timeout(10):
            assert (await admin.get("/api/v1/project/")).status_code == 503
