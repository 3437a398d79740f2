"""Junk credentials cost the one who sends them: nobody else waits, and the database is spared."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import httpx
import pytest

from chassis.problems import Unavailable
from gateway.domain.identities import Identity
from gateway.domain.networks import network_of
from gateway.forwarding.remembered import Remembered
from gateway.operations.credentials import Credentials
from gateway.tests.stage import Recorder, Stage, play

CROWD = 500
HOSTILE = "198.51.100.66"


class Counting:
    """Counts what the database is asked, and can be away or slow."""

    def __init__(self, checks: Credentials) -> None:
        self._checks = checks
        self.asked = 0
        self.is_away = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.four = asyncio.Event()

    async def of_token(self, token: str) -> Identity:
        return await self._count(self._checks.of_token(token))

    async def of_key(self, key: str) -> Identity:
        return await self._count(self._checks.of_key(key))

    async def _count(self, check: Any) -> Identity:
        self.asked += 1
        if self.asked == 4:
            self.four.set()
        await self.gate.wait()
        if self.is_away:
            check.close()
            raise ConnectionError("the database is away")
        found: Identity = await check
        return found


@pytest.fixture
async def limited(tmp_path: Path, keys: Path, recorder: Recorder) -> AsyncIterator[Stage]:
    async with play(tmp_path, keys, recorder, rate_anonymous="5/minute") as stage:
        yield stage


@pytest.fixture
def asked(limited: Stage) -> Counting:
    remembered: Remembered = limited.app.state.remembered
    counting = Counting(limited.credentials)
    remembered.checks = counting
    return counting


def junk_key() -> dict[str, str]:
    return {"X-API-Key": f"rctm_{token_urlsafe(48)}"}


def junk_token() -> dict[str, str]:
    parts = [{"alg": "EdDSA", "kid": token_urlsafe(8)}, {"sub": "x"}]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return {"Authorization": f"Bearer {b'.'.join(coded).decode()}.{token_urlsafe(64)}"}


def _age(stage: Stage, seconds: float) -> None:
    """Let all that is known have been checked so many seconds ago."""
    for known in stage.app.state.remembered._known.values():
        known.checked_at = time.time() - seconds


async def _flood(stage: Stage, make: Any) -> list[int]:
    client = stage.client(address=HOSTILE)
    answers = await asyncio.gather(
        *(client.get("/api/items", headers=make()) for _ in range(CROWD))
    )
    return [answer.status_code for answer in answers]


async def test_a_flood_of_one_address_asks_the_database_no_more_than_its_rate(
    limited: Stage, asked: Counting
) -> None:
    await _flood(limited, junk_key)
    before = asked.asked
    for make in (junk_key, junk_token):
        assert set(await _flood(limited, make)) == {429}
    assert asked.asked == before


async def test_known_clients_behind_the_same_address_are_served(
    limited: Stage, asked: Counting
) -> None:
    admin = await limited.admin()
    key = (await limited.key(admin, "read"))["key"]
    good = [
        limited.client(address=HOSTILE, X_API_Key=key),
        limited.client(address=HOSTILE, **admin.headers),
    ]
    assert [(await each.get("/api/items")).status_code for each in good] == [200, 200]
    assert 429 in await _flood(limited, junk_token)
    assert [(await each.get("/api/items")).status_code for each in good] == [200, 200]
    # Who signs in now is known from the first request on.
    fresh = (await limited.login())["access"]
    newcomer = limited.client(address=HOSTILE, Authorization=f"Bearer {fresh}")
    assert (await newcomer.get("/api/items")).status_code == 200


async def test_the_same_junk_is_looked_up_once(
    tmp_path: Path, keys: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.forwarding.remembered._REFUSED_FOR", 3600.0)
    async with play(tmp_path, keys, recorder, rate_anonymous="0") as stage:
        counting = stage.app.state.remembered.checks = Counting(stage.credentials)
        for shown in (junk_key(), junk_token()):
            client = stage.client(**shown)
            answers = [await client.get("/api/items") for _ in range(20)]
            assert {answer.status_code for answer in answers} == {401}
            assert len({answer.text.partition("traceId")[0] for answer in answers}) == 1
        assert counting.asked == 2


async def test_unknown_names_of_token_keys_do_not_read_the_ring_again_and_again(
    tmp_path: Path, keys: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with play(tmp_path, keys, recorder, rate_anonymous="0") as stage:
        ring, reads = stage.app.state.ring, []
        read = ring._read

        async def counted() -> None:
            reads.append(1)
            await read()

        monkeypatch.setattr(ring, "_read", counted)
        monkeypatch.setattr("gateway.operations.token_keys._READ_AGAIN_AFTER", 3600.0)
        await asyncio.gather(
            *(stage.client().get("/api/items", headers=junk_token()) for _ in range(50))
        )
        assert len(reads) == 0


async def test_strangers_leave_room_for_those_who_are_known(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, rate_anonymous="0") as stage:
        remembered: Remembered = stage.app.state.remembered
        admin = await stage.admin()
        assert (await admin.get("/api/items")).status_code == 200
        counting = remembered.checks = Counting(stage.credentials)
        counting.gate.clear()
        crowd = [
            asyncio.create_task(stage.client().get("/api/items", headers=junk_key()))
            for _ in range(300)
        ]
        await counting.four.wait()
        refused = [await each for each in await _first_done(crowd)]
        assert {answer.status_code for answer in refused} == {503}
        assert counting.asked == 4
        assert (await admin.get("/api/items")).status_code == 200
        counting.gate.set()
        done = await asyncio.gather(*crowd)
        assert {answer.status_code for answer in done} == {401, 503}


async def _first_done(
    tasks: list[asyncio.Task[httpx.Response]],
) -> set[asyncio.Task[httpx.Response]]:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return done


async def test_who_was_known_is_believed_for_a_while_when_the_database_is_away(
    limited: Stage, asked: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await limited.admin()
    assert (await admin.get("/api/items")).status_code == 200
    asked.is_away = True
    _age(limited, 29)
    assert (await admin.get("/api/items")).status_code == 200
    assert (await limited.client(**junk_key()).get("/api/items")).status_code == 503
    _age(limited, 31)
    assert (await admin.get("/api/items")).status_code == 503
    asked.is_away = False
    assert (await admin.get("/api/items")).status_code == 200


async def test_a_revocation_acts_though_the_secret_is_an_acquaintance(
    limited: Stage, asked: Counting
) -> None:
    admin = await limited.admin()
    made = await limited.key(admin, "read")
    backend = limited.client(X_API_Key=made["key"])
    assert (await backend.get("/api/items")).status_code == 200
    assert (await admin.post(f"/api/v1/api_keys/{made['id']}/revoke/")).status_code == 200
    assert (await backend.get("/api/items")).status_code == 401


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("unix", "", True),
    ],
)
def test_an_ipv6_subscriber_is_one_network(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) == same


async def test_a_flood_from_many_addresses_of_one_network_is_one_flood(
    limited: Stage, asked: Counting
) -> None:
    statuses = [
        (
            await limited.client(address=f"2001:db8:7:7::{number:x}").get(
                "/api/items", headers=junk_key()
            )
        ).status_code
        for number in range(8)
    ]
    assert statuses == [401] * 5 + [429] * 3


async def test_a_slow_database_does_not_refuse_who_is_known(
    limited: Stage, asked: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await limited.admin()
    assert (await admin.get("/api/items")).status_code == 200
    monkeypatch.setattr("gateway.forwarding.remembered._PATIENCE", 0.01)
    monkeypatch.setattr("gateway.forwarding.remembered._KNOWN_PATIENCE", 0.01)
    asked.gate.clear()
    _age(limited, 5)
    assert (await admin.get("/api/items")).status_code == 200
    with pytest.raises(Unavailable):
        await limited.app.state.remembered._met("rctm_x", asked.of_key)
    asked.gate.set()
