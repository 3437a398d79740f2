"""A service of several processes: who is sent what, who is left out, what goes again elsewhere."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.forwarding.upstream import Upstream
from gateway.tests.stage import Heard, Recorder, Stage, answer, play


@contextlib.asynccontextmanager
async def replicated(
    tmp_path: Path, keys: Path, *recorders: Recorder, **settings: Any
) -> AsyncIterator[Stage]:
    """Run a gateway whose services all have these replicas."""
    urls = ",".join(recorder.url for recorder in recorders)
    names = ("catalog", "training", "inference", "billing", "experiments")
    both = {f"{name}_url": urls for name in names}
    async with play(tmp_path, keys, recorders[0], **(both | settings)) as stage:
        yield stage


async def until(condition: Callable[[], bool]) -> None:
    """Return once a condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)


def asked(recorder: Recorder) -> list[Heard]:
    """Return what a replica was sent, the looks at its readiness left out."""
    return [heard for heard in recorder.heard if heard.target != "/readyz"]


async def not_ready(heard: Heard) -> bytes:
    """Answer as a service that takes its leave: everything, but no longer ready."""
    return answer(503 if heard.target == "/readyz" else 200)


async def hang_up(heard: Heard) -> bytes:
    """Break every connection without a word, but claim to be ready."""
    return answer(200) if heard.target == "/readyz" else b""


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
async def other() -> AsyncIterator[Recorder]:
    """Return the second replica."""
    async with Recorder.listening() as service:
        yield service


async def test_requests_are_spread_over_the_replicas(
    tmp_path: Path, keys: Path, recorder: Recorder, other: Recorder
) -> None:
    async with replicated(tmp_path, keys, recorder, other) as stage:
        admin = await stage.admin()
        for _ in range(60):
            assert (await admin.get("/api/v1/project/")).status_code == 200
        assert min(len(asked(recorder)), len(asked(other))) > 10


async def test_the_less_busy_replica_is_chosen() -> None:
    upstream = Upstream("catalog", "http://127.0.0.1:1,http://127.0.0.1:2")
    one, two = upstream.replicas
    one.busy = 3
    assert {upstream.choose("somebody") for _ in range(20)} == {two}
    two.busy = 5
    assert {upstream.choose("somebody") for _ in range(20)} == {one}


async def test_a_client_of_a_sticky_service_stays_with_its_replica() -> None:
    urls = "http://127.0.0.1:1, http://127.0.0.1:2 ,http://127.0.0.1:3"
    gateways = [Upstream("inference", urls, sticky=True) for _ in range(2)]
    chosen = {}
    for client in map(str, range(60)):
        addresses = {
            replica.address
            for upstream in gateways
            for _ in range(3)
            if (replica := upstream.choose(client)) is not None
        }
        assert len(addresses) == 1
        chosen[client] = addresses.pop()
    assert set(chosen.values()) == {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
    gateways[0].replicas[0].is_in = False
    for client, address in chosen.items():
        moved = gateways[0].choose(client)
        assert moved is not None
        assert moved.address != "127.0.0.1:1"
        assert address in ("127.0.0.1:1", moved.address)


async def test_what_one_client_is_recommended_comes_from_one_replica(
    tmp_path: Path, keys: Path, recorder: Recorder, other: Recorder
) -> None:
    async with replicated(tmp_path, keys, recorder, other) as stage:
        admin = await stage.admin()
        for number in range(20):
            told = await admin.post("/api/v1/recommend", json={"userId": f"u{number}"})
            assert told.status_code == 200
        assert sorted([len(asked(recorder)), len(asked(other))]) == [0, 20]


async def test_a_replica_that_is_away_costs_nobody_an_answer(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    away = f"http://127.0.0.1:{closed_port()}"
    async with replicated(
        tmp_path,
        keys,
        recorder,
        catalog_url=f"{away},{recorder.url}",
        inference_url=f"{away},{away}",
    ) as stage:
        admin = await stage.admin()
        for _ in range(10):
            assert (await admin.post("/api/v1/project/", json={})).status_code == 200
        assert len(asked(recorder)) == 10
        nobody = await admin.post("/api/v1/recommend", json={})
        assert (nobody.status_code, nobody.headers["retry-after"]) == (503, "1")


async def test_a_read_that_breaks_goes_to_another_replica_and_a_write_does_not(
    tmp_path: Path, keys: Path, recorder: Recorder, other: Recorder
) -> None:
    recorder.reply = hang_up
    async with replicated(tmp_path, keys, recorder, other) as stage:
        admin = await stage.admin()
        for _ in range(20):
            assert (await admin.get("/api/v1/project/")).status_code == 200
        other.reply = hang_up
        recorder.heard.clear()
        other.heard.clear()
        lost = await admin.post("/api/v1/project/", json={})
        assert lost.status_code == 503
        assert len(asked(recorder)) + len(asked(other)) == 1


async def test_a_replica_that_takes_its_leave_is_sent_nothing_new(
    tmp_path: Path, keys: Path, recorder: Recorder, other: Recorder
) -> None:
    async with replicated(tmp_path, keys, recorder, other) as stage:
        admin = await stage.admin()
        catalog = stage.app.state.probes.upstreams["catalog"]
        recorder.reply = not_ready
        await until(lambda: not catalog.replicas[0].is_in)
        recorder.heard.clear()
        for _ in range(20):
            assert (await admin.get("/api/v1/project/")).status_code == 200
        assert asked(recorder) == []
        recorder.reply = other.reply
        await until(lambda: catalog.replicas[0].is_in)
        for _ in range(40):
            await admin.get("/api/v1/project/")
        assert asked(recorder)


async def test_where_no_replica_is_ready_each_is_as_good_as_the_other(
    tmp_path: Path, keys: Path, recorder: Recorder, other: Recorder
) -> None:
    recorder.reply = other.reply = not_ready
    async with replicated(tmp_path, keys, recorder, other) as stage:
        admin = await stage.admin()
        catalog = stage.app.state.probes.upstreams["catalog"]
        await until(lambda: not any(each.is_in for each in catalog.replicas))
        assert (await admin.get("/api/v1/project/")).status_code == 200


async def test_a_name_with_several_addresses_is_as_many_replicas(
    tmp_path: Path,
    keys: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo

    async def headless(host: Any, port: Any, **rest: Any) -> Any:
        if host != "catalog.millrace":
            return await resolve(host, port, **rest)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, port)) for address in ("127.0.0.1", "127.0.0.2")]

    monkeypatch.setattr(loop, "getaddrinfo", headless)
    url = f"http://catalog.millrace:{recorder.port}"
    async with replicated(tmp_path, keys, recorder, catalog_url=url) as stage:
        admin = await stage.admin()
        catalog = stage.app.state.probes.upstreams["catalog"]
        await until(lambda: len(catalog.replicas) == 2)
        addresses = [f"{host}:{recorder.port}" for host in ("127.0.0.1", "127.0.0.2")]
        assert [each.address for each in catalog.replicas] == addresses
        for _ in range(5):
            assert (await admin.post("/api/v1/project/", json={})).status_code == 200


async def test_health_tells_of_every_replica_and_is_well_with_one(
    tmp_path: Path, keys: Path, recorder: Recorder, other: Recorder
) -> None:
    async def well(_heard: Heard) -> bytes:
        return answer(200, b'{"ready": true, "version": "1.2.3", "lag": 4}')

    async def ill(_heard: Heard) -> bytes:
        return answer(503, b'{"ready": false, "version": "1.2.2", "lag": 1}')

    recorder.reply, other.reply = ill, well
    async with replicated(tmp_path, keys, recorder, other) as stage:
        told = await stage.client().get("/health", headers={"Accept": "application/json"})
        assert told.status_code == 200
        assert told.json()["services"]["catalog"] == {
            "ready": True,
            "version": "1.2.3",
            "lag": 5,
            "replicas": [
                {"ready": False, "version": "1.2.2", "lag": 1},
                {"ready": True, "version": "1.2.3", "lag": 4},
            ],
        }


async def test_the_schema_is_asked_of_whoever_is_there(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async def document(_heard: Heard) -> bytes:
        return answer(200, b'{"paths": {"/api/items": {"get": {"responses": {}}}}}')

    recorder.reply = document
    away = f"http://127.0.0.1:{closed_port()}"
    async with replicated(tmp_path, keys, recorder, catalog_url=f"{away},{recorder.url}") as stage:
        found = (await stage.client().get("/api/v1/schema/?format=json")).json()
        assert "/api/items" in found["paths"]


@pytest.mark.parametrize("urls", ["https://catalog", "http://one,", "catalog:8001"])
def test_what_is_no_address_is_refused(urls: str) -> None:
    with pytest.raises(ValueError, match="no http address"):
        Upstream("catalog", urls)
