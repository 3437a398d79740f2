"""How fast interactions are kept, by each door, beside the floors: `python -m bench.ingest`."""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiosqlite
from aiokafka import AIOKafkaConsumer

from bench import load
from bench.catalog_rig import TOPIC, Rig, record, running

RUNS = 3
SECONDS = 4.0
RECORDS = 50_000
BATCH = 1000


async def single(rig: Rig, *, connections: int, run: int) -> load.Report:
    """Post one interaction a request."""
    first = (run * 100 + connections) * 10_000_000

    def body(turn: int) -> bytes:
        return record(first + turn)

    return await load.run(
        rig.port,
        "/api/v1/interactions",
        token=rig.token(),
        body=body,
        connections=connections,
        seconds=SECONDS,
    )


async def batched(rig: Rig, *, run: int) -> float:
    """Post a thousand interactions a request, from one connection; return events per second."""
    first = 2_000_000_000 + run * 10_000_000

    def body(turn: int) -> bytes:
        rows = [json.loads(record(first + turn * BATCH + n)) for n in range(BATCH)]
        return json.dumps({"interactions": rows}).encode()

    report = await load.run(
        rig.port,
        "/api/v1/interactions/batch",
        token=rig.token(),
        body=body,
        connections=1,
        seconds=SECONDS,
    )
    if report.failures:
        raise RuntimeError(f"{report.failures} batches failed")
    # The time of the server alone: the client spells the next batch while nobody waits.
    return BATCH * len(report.latencies) / sum(report.latencies)


async def by_kafka(rig: Rig, *, run: int) -> tuple[float, float]:
    """Write records to the tenant's topic; return those kept and those announced a second."""
    before = await rig.kept()
    behind = await rig.announced()
    started = time.perf_counter()
    await rig.produce(RECORDS, first=3_000_000_000 + run * RECORDS)
    kept = await rig.settled(before + RECORDS)
    announced = await rig.settled(behind + RECORDS, announced=True)
    return RECORDS / (kept - started), RECORDS / (announced - started)


async def raw_consumer(rig: Rig) -> float:
    """Only read the same records with aiokafka: the floor of the Kafka door."""
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=rig.kafka_url, auto_offset_reset="earliest"
    )
    await consumer.start()
    count, started = 0, time.perf_counter()
    while count < RECORDS:
        found = await consumer.getmany(timeout_ms=1000, max_records=2000)
        count += sum(map(len, found.values()))
    rate = count / (time.perf_counter() - started)
    await consumer.stop()
    return rate


async def raw_inserts() -> float:
    """Only write such rows with executemany, 2,000 a transaction: the floor of the table."""
    with tempfile.TemporaryDirectory() as folder:
        async with aiosqlite.connect(Path(folder, "raw.db")) as database:
            await database.execute("PRAGMA journal_mode=WAL")
            await database.execute("PRAGMA synchronous=NORMAL")
            columns = ", ".join(f"c{n}" for n in range(10))
            await database.execute(
                f"CREATE TABLE raw (n INTEGER PRIMARY KEY AUTOINCREMENT, {columns})"
            )
            await database.execute("CREATE UNIQUE INDEX raw_event ON raw (c0, c1)")
            await database.execute("CREATE INDEX raw_user ON raw (c0, c2)")
            started = time.perf_counter()
            for start in range(0, RECORDS, 2000):
                rows = [
                    ("t", f"event-{n}", f"u{n % 5000}", f"i{n % 1000}", "view", *range(5))
                    for n in range(start, start + 2000)
                ]
                marks = ", ".join("?" * 10)
                await database.executemany(
                    f"INSERT INTO raw ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608
                    rows,
                )
                await database.commit()
            return RECORDS / (time.perf_counter() - started)


async def measure(rig: Rig) -> None:
    """Print the table."""
    await rig.prepare()
    for connections in (1, 8, 32):
        reports = [await single(rig, connections=connections, run=run) for run in range(RUNS)]
        middle = sorted(reports, key=lambda report: report.rate)[RUNS // 2]
        print(middle.line(f"HTTP, one each, {connections} connections"), flush=True)
    table = statistics.median([await raw_inserts() for _ in range(RUNS)])
    batches = statistics.median([await batched(rig, run=run) for run in range(RUNS)])
    print(f"{'raw executemany':34} {table:8.0f}/s   1.00", flush=True)
    print(f"{'HTTP, batches of 1,000':34} {batches:8.0f}/s   {batches / table:.2f}", flush=True)
    await asyncio.sleep(2)
    found = [await by_kafka(rig, run=run) for run in range(RUNS)]
    kept, announced = (statistics.median(column) for column in zip(*found, strict=True))
    floor = statistics.median([await raw_consumer(rig) for _ in range(RUNS)])
    print(f"{'raw aiokafka consumer':34} {floor:8.0f}/s   1.00")
    print(f"{'Kafka, produced to kept':34} {kept:8.0f}/s   {kept / floor:.2f}")
    print(f"{'Kafka, produced to announced':34} {announced:8.0f}/s   {announced / floor:.2f}")
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
