"""How often, and how much: rates and allowances."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.billing import AllowanceChanged
from gateway.domain.allowances import Allowance, Allowances
from gateway.domain.rates import Rate, parse
from gateway.forwarding.windows import MemoryWindows, RedisWindows
from gateway.tests.stage import Heard, Recorder, Stage, answer, play

NOW = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1000/minute", Rate(1000, 60)),
        ("5/second", Rate(5, 1)),
        ("7/hours", Rate(7, 3600)),
        ("9", Rate(9, 60)),
        ("0", None),
        ("0/minute", None),
    ],
)
def test_rates_are_read(text: str, rate: Rate | None) -> None:
    assert parse(text) == rate


@pytest.mark.parametrize("text", ["", "many", "-1/minute", "1/fortnight", "1.5/minute"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        parse(text)


async def test_a_key_that_asks_too_often_waits(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, rate_key="2/minute") as stage:
        admin = await stage.admin()
        first, second = [
            stage.client(X_API_Key=(await stage.key(admin, "read", name=name))["key"])
            for name in ("first", "second")
        ]
        ordinary = await first.get("/api/items")
        assert ordinary.headers["ratelimit-limit"] == "2"
        assert ordinary.headers["ratelimit-remaining"] == "1"
        await first.get("/api/items")
        late = await first.get("/api/items")
        assert late.status_code == 429
        assert late.json()["code"] == "RATE_LIMIT_EXCEEDED"
        assert int(late.headers["retry-after"]) >= 1
        assert late.headers["ratelimit-remaining"] == "0"
        assert (await second.get("/api/items")).status_code == 200


async def test_strangers_are_counted_by_address_and_probes_are_not(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, rate_anonymous="2/minute") as stage:
        client = stage.client(address="203.0.113.1")
        for _ in range(4):
            assert (await client.get("/api/v1/ping/")).status_code == 200
        statuses = [(await client.get("/api/items")).status_code for _ in range(3)]
        assert statuses == [401, 401, 429]
        elsewhere = stage.client(address="203.0.113.2")
        assert (await elsewhere.get("/api/items")).status_code == 401


async def test_a_limit_of_nothing_is_no_limit(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, rate_login="0") as stage:
        await stage.register()
        for _ in range(8):
            await stage.login()


async def test_inference_has_a_limit_of_its_own(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, rate_inference="1/minute") as stage:
        admin = await stage.admin()
        client = stage.client(X_API_Key=(await stage.key(admin, "read", "predict"))["key"])
        statuses = [
            (await client.post("/inference/predict/1", json={})).status_code for _ in range(2)
        ]
        assert statuses == [200, 429]
        assert (await client.get("/api/items")).status_code == 200


async def test_without_redis_a_gateway_counts_for_itself(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    nobody = "redis://127.0.0.1:1"
    async with play(tmp_path, keys, recorder, rates_url=nobody, rate_key="2/minute") as stage:
        admin = await stage.admin()
        client = stage.client(X_API_Key=(await stage.key(admin, "read"))["key"])
        statuses = [(await client.get("/api/items")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_a_silent_redis_holds_nobody_up(recorder: Recorder) -> None:
    came, forever = asyncio.Event(), asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await forever.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    windows = RedisWindows(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        async with asyncio.timeout(10):
            found = [await windows.hit("somebody", Rate(2, 60)) for _ in range(200)]
        assert came.is_set()
        assert [window.exceeded for window in found] == [False, False, *[True] * 198]
    finally:
        forever.set()
        await windows.stop()
        server.close()
        await server.wait_closed()


async def test_a_crowd_that_redis_fails_in_the_same_moment_is_one_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    windows = RedisWindows("redis://127.0.0.1:1")
    hits = await asyncio.gather(*(windows.hit("somebody", Rate(2, 60)) for _ in range(20)))
    assert sorted(window.used for window in hits) == list(range(1, 21))
    assert [record.message.split(":")[0] for record in caplog.records] == ["Redis is away"]
    await windows.stop()


async def test_a_window_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [100.0]
    monkeypatch.setattr("gateway.forwarding.windows.time.monotonic", lambda: moment[0])
    windows, rate = MemoryWindows(), Rate(2, 60)
    exceeded = [(await windows.hit("me", rate)).exceeded for _ in range(3)]
    assert exceeded == [False, False, True]
    moment[0] += 60
    assert (await windows.hit("me", rate)).used == 1


def _allowance(
    used: int, allowed: int | None, *, at: datetime = NOW, revision: int = 1
) -> Allowance:
    return Allowance(used, allowed, NOW + timedelta(days=30), at, revision)


def test_an_allowance_is_spent_between_two_statements() -> None:
    allowances, now = Allowances(), NOW.timestamp()
    allowances.state("t", _allowance(0, 250))
    assert [allowances.spend("t", 100, now=now + 1) for _ in range(4)] == [True, True, True, False]
    allowances.give_back("t", 100, now=now + 2)
    assert allowances.spend("t", 100, now=now + 2)
    assert allowances.spend("somebody else", 100, now=now)


def test_billings_word_replaces_the_estimate() -> None:
    allowances, now = Allowances(), NOW.timestamp()
    allowances.state("t", _allowance(0, 100))
    assert allowances.spend("t", 100, now=now + 1)
    assert not allowances.spend("t", 100, now=now + 1)
    later = NOW + timedelta(seconds=2)
    allowances.state("t", _allowance(100, 200, at=later, revision=2))
    assert allowances.spend("t", 100, now=now + 3)
    allowances.state("t", _allowance(0, 999, revision=1))
    assert not allowances.spend("t", 100, now=now + 3)


def test_an_estimate_that_billing_never_confirms_is_dropped() -> None:
    allowances, now = Allowances(), NOW.timestamp()
    allowances.state("t", _allowance(0, 100))
    assert allowances.spend("t", 100, now=now)
    assert not allowances.spend("t", 100, now=now + 5)
    assert allowances.spend("t", 100, now=now + 20)


def test_a_new_cycle_opens_by_itself() -> None:
    allowances = Allowances()
    allowances.state("t", _allowance(100, 100))
    assert not allowances.spend("t", 1, now=NOW.timestamp())
    assert allowances.spend("t", 1, now=(NOW + timedelta(days=31)).timestamp())
    allowances.state("t", _allowance(100, None, revision=2))
    assert allowances.spend("t", 1, now=NOW.timestamp())


async def test_a_spent_allowance_is_402_before_anything_is_forwarded(stage: Stage) -> None:
    admin = await stage.admin()
    key = (await stage.key(admin, "read", "write", "predict"))["key"]
    client = stage.client(X_API_Key=key)
    tenant = (await admin.get("/api/v1/auth/user")).json()["tenantId"]
    await _state(stage, tenant, used=100, allowed=200, revision=1)
    body = {"userId": "u", "count": 3}
    assert (await client.post("/api/v1/recommend", json=body)).status_code == 200
    forwarded = len(stage.recorder.heard)
    refused = await client.post("/api/v1/recommend", json=body)
    assert refused.status_code == 402
    assert refused.json()["code"] == "OVERAGE_CAP_REACHED"
    assert len(stage.recorder.heard) == forwarded
    assert (await client.get("/api/items")).status_code == 200
    await _state(stage, tenant, used=200, allowed=900, revision=2)
    assert (await client.post("/api/v1/recommend", json=body)).status_code == 200


async def test_failures_are_free(stage: Stage) -> None:
    admin = await stage.admin()
    client = stage.client(X_API_Key=(await stage.key(admin, "predict"))["key"])
    tenant = (await admin.get("/api/v1/auth/user")).json()["tenantId"]
    await _state(stage, tenant, used=0, allowed=100, revision=1)

    async def wrong(_heard: Heard) -> bytes:
        return answer(400)

    well, stage.recorder.reply = stage.recorder.reply, wrong
    for _ in range(3):
        assert (await client.post("/api/v1/recommend", json={})).status_code == 400
    stage.recorder.reply = well
    assert (await client.post("/api/v1/recommend", json={})).status_code == 200
    assert (await client.post("/api/v1/recommend", json={})).status_code == 402


async def _state(stage: Stage, tenant: str, *, used: int, allowed: int, revision: int) -> None:
    now = datetime.now(UTC)
    await stage.deliver(
        AllowanceChanged(
            tenant_id=tenant,
            occurred_at=now,
            used_centiunits=used,
            allowed_centiunits=allowed,
            cycle_ends_at=(now + timedelta(days=30)).isoformat(),
            revision=revision,
        ),
        to="allowances",
    )
