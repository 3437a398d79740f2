"""What a request costs is known, and taken, before it is passed on."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import units
from contracts.billing import AllowanceChanged
from contracts.http import Cost
from gateway.domain.costs import rows_in
from gateway.forwarding import metrics
from gateway.routes import ROUTES
from gateway.tests.stage import Heard, Stage, answer

USERS = Cost(100, rows="user_ids", most=100)
PREDICT = "/inference/predict/7/batch"
BATCHES = [
    (PREDICT, "user_ids", 100),
    ("/api/v1/interactions/batch", "interactions", 1),
    ("/api/v1/conversion_event/batch", "events", 1),
]
SINGLES = [
    ("POST", "/api/v1/interactions"),
    ("POST", "/api/v1/conversion_event"),
    ("POST", "/api/v1/recommend"),
    ("POST", "/api/v1/similar"),
    ("POST", "/inference/predict/7"),
    ("POST", "/inference/predict/project/7"),
    ("POST", "/api/v1/trained_model/7/recommend_using_profile_interaction"),
    ("GET", "/api/v1/trained_model/7/recommendation?user_id=u"),
    ("HEAD", "/api/v1/trained_model/7/recommendation?user_id=u"),
]


@dataclass
class Till:
    """A tenant behind the gateway, and what billing says of it."""

    stage: Stage
    client: httpx.AsyncClient
    tenant: str
    revision: int = 0

    async def state(
        self, *, used: int, allowed: int, ends: str = "2999-01-01T00:00:00Z", **more: Any
    ) -> None:
        """Let billing state an allowance."""
        self.revision += 1
        now = datetime.now(UTC)
        stated = AllowanceChanged(
            tenant_id=self.tenant,
            occurred_at=now,
            used_centiunits=used,
            allowed_centiunits=allowed,
            cycle_ends_at=ends,
            revision=self.revision,
            **more,
        )
        await self.stage.deliver(stated, to="allowances")

    async def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        """Send a body: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return await self.client.post(path, content=content, headers=headers, **more)


@pytest.fixture
async def till(stage: Stage) -> Till:
    """A tenant whose key may do everything that costs."""
    admin = await stage.admin()
    key = (await stage.key(admin, "read", "write", "predict"))["key"]
    tenant = (await admin.get("/api/v1/auth/user")).json()["tenantId"]
    return Till(stage, stage.client(X_API_Key=key), tenant)


def billed(centiunits: int, status: int = 200) -> Any:
    async def reply(_heard: Heard) -> bytes:
        return answer(status, b"{}", f"{units.HEADER}: {units.written(centiunits)}")

    return reply


def rows(count: int) -> list[Any]:
    return [f"u{n}" for n in range(count)]


@pytest.mark.parametrize(("path", "member", "each"), BATCHES)
async def test_a_batch_that_does_not_fit_is_refused_whole(
    till: Till, path: str, member: str, each: int
) -> None:
    await till.state(used=0, allowed=7 * each)
    heard = len(till.stage.recorder.heard)
    refused = await till.post(path, {member: rows(8)})
    assert (refused.status_code, refused.json()["code"]) == (402, "OVERAGE_CAP_REACHED")
    assert len(till.stage.recorder.heard) == heard
    assert (await till.post(path, {member: rows(5)})).status_code == 200
    assert (await till.post(path, {member: rows(3)})).status_code == 402
    assert (await till.post(path, {member: rows(2)})).status_code == 200
    assert (await till.post(path, {member: rows(1)})).status_code == 402
    assert len(till.stage.recorder.heard) == heard + 2


@pytest.mark.parametrize(("method", "path"), SINGLES)
async def test_a_single_call_that_does_not_fit_is_refused(
    till: Till, method: str, path: str
) -> None:
    await till.state(used=0, allowed=199)
    heard = len(till.stage.recorder.heard)
    asked = [(await till.client.request(method, path)).status_code for _ in range(2)]
    assert asked == [200, 402]
    assert len(till.stage.recorder.heard) == heard + 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/conversion_event"),
        ("GET", "/api/v1/trained_model/7"),
        ("GET", "/api/v1/trained_model/7/sample_recommendation_raw"),
        ("POST", "/api/v1/trained_model"),
        ("GET", "/api/items"),
        ("POST", "/api/items"),
    ],
)
async def test_what_is_free_passes_at_the_cap(till: Till, method: str, path: str) -> None:
    await till.state(used=100, allowed=100)
    assert (await till.client.request(method, path)).status_code == 200


async def test_five_at_once_do_not_share_what_is_left_for_one(till: Till) -> None:
    await till.state(used=0, allowed=10_499)
    open_, here = asyncio.Event(), asyncio.Event()

    async def slow(_heard: Heard) -> bytes:
        here.set()
        await open_.wait()
        return answer(200, b"{}", f"{units.HEADER}: 100")

    till.stage.recorder.reply = slow
    asked = [asyncio.create_task(till.post(PREDICT, {"user_ids": rows(100)})) for _ in range(5)]
    async with asyncio.timeout(20):
        await here.wait()
        done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 4:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        assert [each.result().status_code for each in done] == [402] * 4
        open_.set()
        assert [each.status_code for each in await asyncio.gather(*waiting)] == [200]
    assert (await till.post(PREDICT, {"user_ids": rows(4)})).status_code == 200
    assert (await till.post(PREDICT, {"user_ids": rows(1)})).status_code == 402


async def test_what_a_request_was_not_billed_is_given_back(till: Till) -> None:
    await till.state(used=0, allowed=10)
    path, batch = "/api/v1/interactions/batch", {"interactions": rows(10)}
    for centiunits in (0, 0, 4):  # repeats, and repeats but for four
        till.stage.recorder.reply = billed(centiunits, 201)
        assert (await till.post(path, batch)).status_code == 201
    assert (await till.post(path, batch)).status_code == 402
    till.stage.recorder.reply = billed(6, 201)
    assert (await till.post(path, {"interactions": rows(6)})).status_code == 201
    assert (await till.post(path, {"interactions": rows(1)})).status_code == 402


async def test_a_refusal_gives_back_all(till: Till) -> None:
    await till.state(used=0, allowed=10_000)

    async def wrong(_heard: Heard) -> bytes:
        return answer(422)

    till.stage.recorder.reply, well = wrong, till.stage.recorder.reply
    for _ in range(3):
        assert (await till.post(PREDICT, {"user_ids": rows(100)})).status_code == 422
    till.stage.recorder.reply = well
    assert (await till.post(PREDICT, {"user_ids": rows(100)})).status_code == 200


async def test_a_service_that_breaks_off_may_have_billed(till: Till) -> None:
    await till.state(used=0, allowed=10_000)

    async def away(_heard: Heard) -> bytes:
        return b""

    till.stage.recorder.reply, well = away, till.stage.recorder.reply
    assert (await till.post(PREDICT, {"user_ids": rows(100)})).status_code == 503
    till.stage.recorder.reply = well
    assert (await till.post(PREDICT, {"user_ids": rows(1)})).status_code == 402


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"[" * 3_000, b'{"user_ids": 5}', b'{"users": ["a"]}', b"\xff"],
)
async def test_a_body_without_rows_is_the_services_to_refuse(till: Till, body: bytes) -> None:
    await till.state(used=0, allowed=100)

    async def wrong(_heard: Heard) -> bytes:
        return answer(422)

    till.stage.recorder.reply = wrong
    assert (await till.post(PREDICT, body)).status_code == 422
    assert till.stage.recorder.last.body == body
    assert (await till.post(PREDICT, body)).status_code == 422, "it took nothing"


async def test_more_rows_than_a_service_takes_cost_what_it_takes(till: Till) -> None:
    await till.state(used=0, allowed=10_000)
    assert (await till.post(PREDICT, {"user_ids": rows(5_000)})).status_code == 200
    assert (await till.post(PREDICT, {"user_ids": rows(1)})).status_code == 402


@pytest.mark.parametrize("left", [500, 10_000_000])
async def test_a_large_body_is_counted_where_it_matters(till: Till, left: int) -> None:
    await till.state(used=0, allowed=left)
    padded = {"interactions": [f"{n}{'x' * 1_000}" for n in range(600)]}
    status = (await till.post("/api/v1/interactions/batch", padded)).status_code
    assert status == (402 if left < 600 else 200)
    fits = {"interactions": padded["interactions"][:500]}
    assert (await till.post("/api/v1/interactions/batch", fits)).status_code == 200


async def test_a_cycle_that_is_over_bounds_the_next_until_billing_speaks_of_it(
    till: Till,
) -> None:
    till.stage.recorder.reply = billed(100)
    await till.state(used=900, allowed=900, ends="2020-01-01T00:00:00Z", renewed_centiunits=200)
    found = [(await till.post("/api/v1/recommend", {})).status_code for _ in range(3)]
    assert found == [200, 200, 402]
    # Billing's first word on the new cycle has counted one of the two.
    await till.state(used=100, allowed=300)
    found = [(await till.post("/api/v1/recommend", {})).status_code for _ in range(2)]
    assert found == [200, 402]


def behind() -> float:
    [family] = metrics.UNCOUNTED_SPENDING.collect()
    return family.samples[0].value


async def test_what_billing_has_not_counted_is_told_to_the_operator(till: Till) -> None:
    till.stage.recorder.reply = billed(100)
    await till.state(used=0, allowed=200)
    assert (await till.post("/api/v1/recommend", {})).status_code == 200
    assert behind() > 0
    await till.state(used=100, allowed=200)
    assert behind() == 0


async def test_another_tenants_cap_is_its_own(till: Till) -> None:
    await till.state(used=100, allowed=100)
    other = await till.stage.admin("grace@example.com")
    key = (await till.stage.key(other, "predict", project=2))["key"]
    client = till.stage.client(X_API_Key=key)
    assert (await client.post(PREDICT, json={"user_ids": rows(5)})).status_code == 200
    assert (await till.post(PREDICT, {"user_ids": rows(1)})).status_code == 402


async def test_a_raised_cap_opens_at_once(till: Till) -> None:
    await till.state(used=100, allowed=100)
    assert (await till.post(PREDICT, {"user_ids": rows(5)})).status_code == 402
    await till.state(used=100, allowed=600)
    assert (await till.post(PREDICT, {"user_ids": rows(5)})).status_code == 200


def test_only_a_batch_of_a_model_is_counted_by_its_users() -> None:
    found = {
        path: match.route.cost_of("POST")
        for path in ("7", "7/batch", "project/7", "project/batch")
        if (match := ROUTES.find(f"/inference/predict/{path}")) is not None
    }
    # There is no project of that name; its rows would be users.
    assert [cost.rows for cost in found.values() if cost] == [None, "user_ids", None, "user_ids"]


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b'{"user_ids": ["a", "a", "a"]}', 3),
        (b'{"user_ids": ["a"], "user_ids": ["b", "c"]}', 2),
        (b'{"user_ids": ["a", "b"], "user_ids": []}', 0),
        (b'{"user\\u005fids": ["a", "b"]}', 2),
        (b'{"userIds": ["a", "b"]}', 1),
        # What services refuse comes to nothing, however many rows it seems to hold.
        (b'{"user_ids": ["a", "b"], "x": NaN}', 1),
        (b'{"user_ids": ["\\ud800", "b"]}', 1),
        (b'{"user_ids": ["\\u0000", "b"]}', 1),
        (b'\xef\xbb\xbf{"user_ids": ["a", "b"]}', 1),
        ('{"user_ids": ["a", "b"]}'.encode("utf-16"), 1),
        (b'{"user_ids": ["a", "b"], "x": ' + b"[" * 500 + b"]" * 500 + b"}", 1),
        (b'{"user_ids": [], "user_ids ": ["a"]}', 0),
        (b'{"user_ids": {"a": 1, "b": 2}}', 1),
        (b'{"user_ids": "abc"}', 1),
        (b"\x00", 1),
    ],
)
def test_rows_are_counted_as_services_count_them(body: bytes, count: int) -> None:
    assert rows_in(body, USERS) == count


names = st.sampled_from(["user_ids", "cutoff", "userIds", "x"])
values = st.one_of(
    st.lists(st.text(min_size=1, max_size=3), max_size=4), st.integers(1, 9), st.none()
)


@given(st.lists(st.tuples(names, values), max_size=6))
def test_no_shape_of_a_body_lets_rows_pass_uncounted(pairs: Sequence[tuple[str, Any]]) -> None:
    members = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    body = f"{{{members}}}".encode()
    last = dict(pairs).get("user_ids")
    assert rows_in(body, USERS) == (len(last) if isinstance(last, list) else 1)


@pytest.mark.parametrize(
    ("text", "centiunits"),
    [("1", 100), ("0.03", 3), ("0", 0), ("12.30", 1230), ("", None), ("-1", None), ("1e9", None)],
)
def test_the_header_of_units(text: str, centiunits: int | None) -> None:
    assert units.read(text) == centiunits
    if centiunits is not None:
        assert units.written(centiunits) == text


@given(st.integers(0, 10**15))
def test_units_are_read_as_they_were_written(centiunits: int) -> None:
    assert units.read(units.written(centiunits)) == centiunits
