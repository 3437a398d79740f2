"""What the gateway lets nobody pass for is counted, and named by a word of ours."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from chassis.problems import TooManyRequests, Unavailable
from gateway.forwarding.bulkhead import Bulkhead
from gateway.forwarding.limit import Limit
from gateway.tests.stage import Recorder, Stage, play


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("millrace_refused_total", {"reason": reason}) or 0.0


async def test_refusals_are_counted_by_reason(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    before = {reason: refused(reason) for reason in ("unauthenticated", "unknown", "rate")}
    async with play(tmp_path, keys, recorder, rate_key="1/minute") as stage:
        await stage.client().get("/api/items")
        await stage.client().get("/nowhere")
        client = stage.client(X_API_Key=(await stage.key(await stage.admin(), "read"))["key"])
        statuses = [(await client.get("/api/items")).status_code for _ in range(3)]
    assert statuses == [200, 429, 429]
    now = {reason: refused(reason) - count for reason, count in before.items()}
    assert now == {"unauthenticated": 1, "unknown": 1, "rate": 2}


async def test_a_route_is_named_by_its_prefix(stage: Stage) -> None:
    client = stage.client(X_API_Key=(await stage.key(await stage.admin(), "read"))["key"])
    assert (await client.get("/api/items/a-name-of-a-tenants-own")).status_code == 200
    text = (await client.get("/metrics")).text
    assert 'route="/api/items"' in text
    assert "a-name-of-a-tenants-own" not in text


async def test_too_much_at_once_is_told_from_too_much_of_one_tenant() -> None:
    bulkhead = Bulkhead("catalog", Limit(least=4, first=4, most=4), patience=0)
    crowding, overload = refused("crowding"), refused("overload")
    for _ in range(3):
        await bulkhead.enter("first")
    with pytest.raises(TooManyRequests):
        await bulkhead.enter("first")
    await bulkhead.enter("second")
    with pytest.raises(Unavailable):
        await bulkhead.enter("third")
    assert (refused("crowding"), refused("overload")) == (crowding + 1, overload + 1)


async def test_how_a_service_stands_is_told(stage: Stage, recorder: Recorder) -> None:
    came, go = asyncio.Event(), asyncio.Event()
    answer = recorder.reply

    async def slow(heard: object) -> bytes:
        came.set()
        await go.wait()
        return await answer(heard)  # type: ignore[arg-type]

    client = stage.client(X_API_Key=(await stage.key(await stage.admin(), "read"))["key"])
    recorder.reply = slow
    asked = asyncio.create_task(client.get("/api/items"))
    await came.wait()
    labels = {"upstream": "catalog"}
    assert REGISTRY.get_sample_value("millrace_upstream_requests", labels) == 1
    go.set()
    assert (await asked).status_code == 200
    assert REGISTRY.get_sample_value("millrace_upstream_requests", labels) == 0
    assert REGISTRY.get_sample_value("millrace_upstream_replicas_in", labels) == 1
