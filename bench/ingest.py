"""How fast interactions are kept, by each door, beside the floors: `python -m bench.ingest`.

One a request: beside an ASGI application that parses, inserts and commits. In batches: beside rows
sent to the same kind of database in bulk, by executemany or, on PostgreSQL, by COPY. By Kafka:
beside a consumer that only reads.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer

from bench import floors, load, pace, table
from bench.catalog_rig import TOPIC, Rig, record, running
from bench.gateway_rig import command_of
from embedded import ports

ROUNDS = pace.rounds(3)
SECONDS = pace.seconds(4.0)
RECORDS = pace.count(50_000) // 2000 * 2000 or 2000
BATCH = 1000
CONNECTIONS = (1, 8, 32)
PATH = "/api/v1/interactions"
#: Wanted of the Kafka door of one process: interactions kept a second.
AIM = 10_000


async def single(port: int, token: str, *, connections: int, turn: int) -> load.Report:
    """Post one interaction a request."""
    first = (turn * 100 + connections) * 10_000_000

    def body(number: int) -> bytes:
        return record(first + number)

    return await load.run(
        port, PATH, token=token, body=body, connections=connections, seconds=SECONDS
    )


async def batched(rig: Rig, *, turn: int) -> float:
    """Post a thousand interactions a request, from one connection; return events per second."""
    first = 2_000_000_000 + turn * 10_000_000

    def body(number: int) -> bytes:
        rows = [json.loads(record(first + number * BATCH + n)) for n in range(BATCH)]
        return json.dumps({"interactions": rows}).encode()

    report = await load.run(
        rig.port,
        f"{PATH}/batch",
        token=rig.token(),
        body=body,
        connections=1,
        seconds=SECONDS,
    )
    if report.failures:
        raise RuntimeError(f"{report.failures} batches failed")
    # The time of the server alone: the client spells the next batch while nobody waits.
    return BATCH * len(report.latencies) / sum(report.latencies)


async def by_kafka(rig: Rig, *, turn: int) -> tuple[float, float]:
    """Write records to the tenant's topic; return those kept and those announced a second."""
    before = await rig.kept()
    behind = await rig.announced()
    produce = rig.producing(RECORDS, first=3_000_000_000 + turn * RECORDS)
    started = time.perf_counter()
    await asyncio.to_thread(produce)
    kept = await rig.settled(before + RECORDS)
    announced = await rig.settled(behind + RECORDS, announced=True)
    return RECORDS / (kept - started), RECORDS / (announced - started)


async def only_read(rig: Rig) -> float:
    """Only read the same records with aiokafka: the floor of the Kafka door."""
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=rig.kafka_url,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    count, started = 0, time.perf_counter()
    while count < RECORDS:
        found = await consumer.getmany(timeout_ms=1000, max_records=2000)
        count += sum(map(len, found.values()))
    rate = count / (time.perf_counter() - started)
    await consumer.stop()
    return rate


@contextmanager
def one_commit(database: str | None) -> Iterator[int]:
    """Serve the floor of single interactions; yield its port."""
    [port] = ports.choose(1)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "BENCH_DATABASE": database or str(Path(folder, "raw.db"))}
        command = [*command_of("bench.floors:one_commit", port), "--factory"]
        process = subprocess.Popen(command, env=environment)  # noqa: S603
        try:
            yield port
        finally:
            process.terminate()
            process.wait()


async def until_open(port: int) -> None:
    """Wait until something answers there."""
    deadline = time.monotonic() + 30
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        while time.monotonic() < deadline:
            try:
                (await client.post(PATH, content=record(0))).raise_for_status()
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
    raise TimeoutError("the floor did not start")


async def measure_single(rig: Rig, database: str | None) -> None:
    """Measure and print one interaction a request, beside its floor."""
    rows = []
    with one_commit(database) as port:
        await until_open(port)
        for connections in CONNECTIONS:
            floor, kept = [], []
            for turn in range(ROUNDS):
                floor.append(await single(port, "none", connections=connections, turn=turn))
                kept.append(await single(rig.port, rig.token(), connections=connections, turn=turn))
            empty = table.median(each.rate for each in floor)
            for name, reports in (("bare ASGI, one commit", floor), ("HTTP, one each", kept)):
                middle = sorted(reports, key=lambda each: each.rate)[len(reports) // 2]
                share = table.ratio(middle.rate / empty)
                rows.append((name, str(connections), *middle.cells(), share))
    head = ("", "connections", "interactions", "p50", "p99", "failed", "of the floor")
    table.show(head, rows)


async def measure_bulk(rig: Rig, database: str | None) -> None:
    """Measure and print batches and the Kafka door, beside their floors."""
    bulk = table.median([await floors.bulk(RECORDS, postgres=database) for _ in range(ROUNDS)])
    batches = table.median([await batched(rig, turn=turn) for turn in range(ROUNDS)])
    await asyncio.sleep(2)
    found = [await by_kafka(rig, turn=turn) for turn in range(ROUNDS)]
    kept, announced = (table.median(column) for column in zip(*found, strict=True))
    reading = table.median([await only_read(rig) for _ in range(ROUNDS)])
    way = "COPY into PostgreSQL" if database else "executemany into SQLite"
    table.show(
        ("", "interactions", "of the floor"),
        [
            (f"bare {way}", table.rate(bulk), table.ratio(1)),
            ("HTTP, batches of 1,000", table.rate(batches), table.ratio(batches / bulk)),
            ("bare Kafka consumer", table.rate(reading), table.ratio(1)),
            ("Kafka, produced to kept", table.rate(kept), table.ratio(kept / reading)),
            (
                "Kafka, produced to announced",
                table.rate(announced),
                table.ratio(announced / reading),
            ),
        ],
    )
    table.aim(f"Kafka to kept at least {AIM:,}/s", table.rate(kept), met=kept >= AIM)


async def measure(rig: Rig) -> None:
    """Print the tables."""
    await rig.prepare()
    url = rig.engine.url
    on_servers = url.drivername.startswith("postgresql")
    database = url.render_as_string(hide_password=False) if on_servers else None
    await measure_single(rig, database)
    await measure_bulk(rig, database)
    await rig.engine.dispose()


def main() -> None:
    """Run the benchmark."""
    with running() as rig:
        try:
            asyncio.run(measure(rig))
        except Exception:
            print((rig.home / "catalog.log").read_text()[-3000:], file=sys.stderr)
            raise


if __name__ == "__main__":
    main()
