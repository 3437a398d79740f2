"""Clocks jump: nobody is believed longer for it, and no assertion is shown that is not of now."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import update

from gateway.domain.allowances import Allowance, Allowances
from gateway.store.tables import ApiKeyRow
from gateway.tests.stage import Stage


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what sets the clock so many seconds ahead of the true one, or behind it."""
    true = time.time

    def ahead(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: true() + seconds)

    return ahead


async def key_client(stage: Stage) -> httpx.AsyncClient:
    """Return a client with an API key, whose life no clock ends."""
    made = await stage.key(await stage.admin(), "read")
    return stage.client(X_API_Key=made["key"])


@pytest.mark.parametrize("jump", [3600.0, -3600.0], ids=["forwards", "backwards"])
async def test_an_assertion_is_signed_anew_after_a_jump(
    stage: Stage, set_clock: Callable[[float], None], jump: float
) -> None:
    key = await key_client(stage)
    assert (await key.get("/api/v1/project/")).status_code == 200
    before = stage.recorder.last.headers["millrace-assertion"]
    set_clock(jump)
    assert (await key.get("/api/v1/project/")).status_code == 200
    assert stage.recorder.last.headers["millrace-assertion"] != before


async def test_a_revoked_key_is_not_believed_longer_because_the_clock_was_set_back(
    stage: Stage, set_clock: Callable[[float], None]
) -> None:
    key = await key_client(stage)
    assert (await key.get("/api/v1/project/")).status_code == 200
    set_clock(-3600)
    async with stage.database.transaction(tenant_id=None) as tx:
        await tx.session.execute(update(ApiKeyRow).values(is_active=False))
    assert (await key.get("/api/v1/project/")).status_code == 401


def test_what_nobody_knows_of_is_not_held_for_hours_because_the_clock_was_set_back() -> None:
    seconds = [0.0]
    allowances = Allowances(timer=lambda: seconds[0])
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    ends = noon + timedelta(days=1)
    allowances.state("shop", Allowance(0, 1000, ends, revision=1))
    for _use in range(10):
        used = allowances.reserve("shop", 100, now=noon.timestamp())
        assert used is not None
        allowances.doubt(used)
    earlier = noon.timestamp() - 3600
    assert allowances.reserve("shop", 100, now=earlier) is None
    seconds[0] += 11
    assert allowances.reserve("shop", 100, now=earlier)
