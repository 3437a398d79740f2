"""A service that answers from memory refuses until it has read everything."""

from dataclasses import replace
from pathlib import Path

from chassis.testing import ADMIN, on_the_bench
from chassis.tests import shop


class Reading:
    """Consumers that are told when they have read everything."""

    def __init__(self) -> None:
        self.done = False

    async def ready(self) -> bool:
        return self.done


async def test_half_a_memory_answers_503_and_a_whole_one_for_ever(tmp_path: Path) -> None:
    service = replace(shop.build(tmp_path), answers_from_memory=True)
    reading = Reading()
    async with on_the_bench(service) as bench, bench.as_caller(ADMIN) as client:
        bench.app.state.consumers = reading
        refused = await client.get("/api/v1/thing")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["code"] == "SERVICE_UNAVAILABLE"
        assert (await client.get("/livez")).status_code == 200
        reading.done = True
        assert (await client.get("/api/v1/thing")).status_code == 200
        reading.done = False
        assert (await client.get("/api/v1/thing")).status_code == 200


async def test_a_service_that_answers_from_its_store_does_not_wait(tmp_path: Path) -> None:
    async with on_the_bench(shop.build(tmp_path)) as bench, bench.as_caller(ADMIN) as client:
        bench.app.state.consumers = Reading()
        assert (await client.get("/api/v1/thing")).status_code == 200
