"""How often, and how much: rates and allowances."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.billing import AllowanceChanged
from gateway.domain.allowances import Allowance, Allowances, Reservation
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


@pytest.mark.parametrize(
    ("method", "path", "rates"),
    [
        ("GET", "/inference/models", {"rate_anonymous": "2/minute"}),
        ("POST", "/api/billing/webhooks/stripe", {"rate_webhooks": "2/minute"}),
    ],
)
async def test_what_is_open_to_everybody_is_limited_by_address(
    tmp_path: Path, keys: Path, recorder: Recorder, method: str, path: str, rates: dict[str, str]
) -> None:
    async with play(tmp_path, keys, recorder, **rates) as stage:
        client = stage.client()
        statuses = [(await client.request(method, path)).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert len(recorder.heard) == 2
        assert (await stage.client(address="192.0.2.2").request(method, path)).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/api/v1/schema/", "/inference/health", "/livez"])
async def test_health_and_schema_are_not_limited(
    tmp_path: Path, keys: Path, recorder: Recorder, path: str
) -> None:
    async with play(tmp_path, keys, recorder, rate_anonymous="1/minute") as stage:
        client = stage.client()
        assert 429 not in [(await client.get(path)).status_code for _ in range(3)]


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


def _allowance(used: int, allowed: int | None, *, revision: int = 1) -> Allowance:
    return Allowance(used, allowed, NOW + timedelta(days=30), revision)


def test_what_does_not_fit_is_refused_and_takes_nothing() -> None:
    allowances, now = Allowances(), NOW.timestamp()
    allowances.state("t", _allowance(0, 250))
    found = [allowances.reserve("t", 100, now=now) for _ in range(3)]
    assert [each is not None for each in found] == [True, True, False]
    assert allowances.left("t") == 50
    assert allowances.reserve("t", 51, now=now) is None
    assert allowances.reserve("t", 50, now=now)
    assert allowances.reserve("somebody else", 100, now=now)
    assert found[0] is not None
    allowances.release(found[0])
    assert allowances.left("t") == 100


def test_a_request_is_resized_once_its_rows_are_known() -> None:
    allowances, now = Allowances(), NOW.timestamp()
    allowances.state("t", _allowance(0, 1_000))
    batch = allowances.reserve("t", 100, now=now)
    assert batch is not None
    assert not allowances.resize(batch, 1_001, now=now)
    assert (allowances.left("t"), batch.units) == (900, 100)
    assert allowances.resize(batch, 1_000, now=now)
    assert allowances.left("t") == 0
    allowances.settle(batch, used=30)
    assert allowances.left("t") == 970


def test_what_billing_has_counted_is_held_no_longer() -> None:
    allowances, now = Allowances(), NOW.timestamp()
    allowances.state("t", _allowance(0, 1_000))
    answered, under_way = (allowances.reserve("t", 100, now=now) for _ in range(2))
    assert answered is not None
    assert under_way is not None
    allowances.settle(answered, used=None)
    allowances.state("t", _allowance(40, 1_000, revision=2))
    assert allowances.left("t") == 800
    allowances.state("t", _allowance(30, 999, revision=1))  # an older word
    assert allowances.left("t") == 800
    # Counted before its answer was here.
    allowances.state("t", _allowance(200, 1_000, revision=3))
    assert allowances.left("t") == 800
    allowances.settle(under_way, used=100)
    assert allowances.left("t") == 800
    allowances.state("t", _allowance(200, 2_000, revision=4))
    assert allowances.left("t") == 1_800


def spent(allowances: Allowances, units: int, *, now: float) -> None:
    used = allowances.reserve("t", units, now=now)
    assert used is not None
    allowances.settle(used, used=units)


def _counted(used: int, revision: int, until: timedelta) -> Allowance:
    return replace(_allowance(used, 200, revision=revision), counted_until=NOW + until)


def test_what_billing_does_not_count_is_held_however_long_it_is_away() -> None:
    moment = [0.0]
    now = NOW.timestamp()
    allowances = Allowances(timer=lambda: moment[0], clock=lambda: now + moment[0])
    allowances.state("t", _allowance(0, 200))
    for _ in range(2):
        spent(allowances, 100, now=now)
    for seconds in (11, 61, 601, 86_400, 2_000_000):
        moment[0] = seconds
        assert allowances.reserve("t", 1, now=now) is None
        assert allowances.behind() == seconds
    # Its word on something else lets nothing go, and a repeat of its last word does not.
    allowances.state("t", _allowance(0, 200, revision=2))
    assert allowances.reserve("t", 1, now=now) is None
    allowances.state("t", _allowance(100, 200, revision=3))
    assert (allowances.left("t"), allowances.behind()) == (0, 2_000_000)
    allowances.state("t", _allowance(200, 300, revision=4))
    assert (allowances.left("t"), allowances.behind()) == (100, 0)


def test_what_billing_has_passed_by_is_held_no_longer() -> None:
    now = NOW.timestamp()
    allowances = Allowances(clock=lambda: now)
    allowances.state("t", _allowance(0, 200))
    spent(allowances, 150, now=now)
    allowances.state("t", _counted(30, 2, timedelta(seconds=590)))
    assert allowances.left("t") == 50
    allowances.state("t", _counted(40, 3, timedelta(seconds=600)))
    assert allowances.left("t") == 160


def test_months_of_uncounted_use_take_no_more_memory_than_a_minute() -> None:
    moment, now = [0.0], NOW.timestamp()
    allowances = Allowances(timer=lambda: moment[0], clock=lambda: now + moment[0])
    allowances.state("t", _allowance(0, 10_000_000))
    for seconds in range(5_000):
        moment[0] = seconds
        spent(allowances, 7, now=now)
    account = allowances._accounts["t"]
    assert (len(account.held), allowances.left("t")) == (64, 10_000_000 - 35_000)
    allowances.state("t", _allowance(34_999, 10_000_000, revision=2))
    assert allowances.left("t") == 10_000_000 - 35_000


def test_what_became_of_a_request_may_be_unknown_for_a_moment() -> None:
    moment = [0.0]
    allowances, now = Allowances(timer=lambda: moment[0]), NOW.timestamp()
    allowances.state("t", _allowance(0, 100))
    lost = allowances.reserve("t", 100, now=now)
    assert lost is not None
    allowances.doubt(lost)
    assert allowances.reserve("t", 1, now=now) is None
    moment[0] = 11
    assert allowances.reserve("t", 100, now=now)


def test_what_nobody_knows_of_is_held_while_billing_is_late() -> None:
    moment = [0.0]
    allowances, now = Allowances(timer=lambda: moment[0]), NOW.timestamp()
    allowances.state("t", _allowance(0, 200))
    spent(allowances, 100, now=now)
    lost = allowances.reserve("t", 100, now=now)
    assert lost is not None
    allowances.doubt(lost)
    moment[0] = 3_600
    assert allowances.reserve("t", 1, now=now) is None
    allowances.state("t", _allowance(100, 200, revision=2))
    assert allowances.reserve("t", 100, now=now)


def test_a_new_cycle_opens_by_itself() -> None:
    allowances = Allowances()
    allowances.state("t", _allowance(100, 100))
    assert allowances.reserve("t", 1, now=NOW.timestamp()) is None
    # A release of billing that says nothing of the next cycle.
    assert allowances.reserve("t", 1, now=(NOW + timedelta(days=31)).timestamp())
    allowances.state("t", _allowance(100, None, revision=2))
    assert allowances.reserve("t", 1, now=NOW.timestamp())
    later = NOW + timedelta(days=60)
    allowances.state("t", Allowance(7, 100, later, 3))
    assert allowances.left("t") == 93


def test_a_cycle_that_billing_has_not_spoken_of_is_bounded_as_it_said_before() -> None:
    allowances, later = Allowances(), (NOW + timedelta(days=30)).timestamp()
    allowances.state("t", replace(_allowance(90, 100), renewed=50))
    spent(allowances, 10, now=NOW.timestamp())
    assert allowances.reserve("t", 1, now=later - 1) is None
    spent(allowances, 30, now=later)
    assert allowances.reserve("t", 21, now=later + 86_400) is None
    # A late word on the cycle that is over: the cap was raised.
    allowances.state("t", replace(_allowance(100, 999, revision=2), renewed=80))
    assert allowances.reserve("t", 51, now=later) is None
    spent(allowances, 50, now=later)
    assert allowances.reserve("t", 1, now=later) is None
    # Billing's first word on the new one has counted the first of it.
    allowances.state("t", Allowance(30, 80, NOW + timedelta(days=60), 3))
    assert allowances.left("t") == 0
    allowances.state("t", Allowance(80, 120, NOW + timedelta(days=60), 4))
    assert allowances.left("t") == 40


amounts = st.lists(st.integers(0, 300), max_size=30)


@given(amounts, st.integers(0, 3_000), st.data())
def test_one_gateway_never_lets_more_pass_than_is_allowed(
    asked: list[int], allowed: int, data: st.DataObject
) -> None:
    allowances, now = Allowances(), NOW.timestamp()
    allowances.state("t", _allowance(0, allowed))
    used = counted = revision = 0
    waiting: list[Reservation] = []
    for units in asked:
        if (reservation := allowances.reserve("t", units, now=now)) is not None:
            waiting.append(reservation)
        for each in data.draw(
            st.lists(st.sampled_from(waiting), unique=True) if waiting else st.just([])
        ):
            waiting.remove(each)
            billed = data.draw(st.integers(0, each.units))
            used += billed
            allowances.settle(each, used=billed)
        if data.draw(st.booleans()):
            counted, revision = data.draw(st.integers(counted, used)), revision + 1
            allowances.state("t", _allowance(counted, allowed, revision=revision))
        left = allowances.left("t")
        assert left is not None
        assert left >= 0
        assert used + sum(each.units for each in waiting) + left == allowed


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
