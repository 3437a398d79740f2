"""The servers that integration tests run on really answer."""

import asyncio
import json
import signal
import subprocess
import sys

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from servers.otlp import otlp
from tests import local


async def test_postgresql_answers_and_lets_databases_be_made(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("CREATE DATABASE another"))
        assert await connection.scalar(text("SELECT 1 + 1")) == 2
    await engine.dispose()


async def test_redis_answers(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        assert await client.incr("counter") == 1


async def test_kafka_acknowledges_a_record(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await admin.start()
    await producer.start()
    try:
        await admin.create_topics([NewTopic("greetings", 1, 1)])
        kept = await asyncio.wait_for(producer.send_and_wait("greetings", b"hello"), timeout=30)
    finally:
        await producer.stop()
        await admin.close()
    assert (kept.topic, kept.offset) == ("greetings", 0)


def test_spans_are_received_counted_and_kept() -> None:
    with otlp() as server:
        exporter = OTLPSpanExporter(endpoint=f"{server.url}/v1/traces")
        resource = Resource.create({"service.name": "millrace-bakery"})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("tests").start_as_current_span("bakes", attributes={"loaves": 3}):
            pass
        provider.shutdown()
        assert local.get(f"{server.url}/counts").json() == {"spans": 1, "metrics": 0, "logs": 0}
        line = json.loads((server.folder / "bakery.jsonl").read_text())
    assert (line["service"], line["name"], line["kind"]) == ("bakery", "bakes", "internal")
    assert (line["parent_id"], line["status"]) == (None, "unset")
    assert line["attributes"] == {"loaves": 3}
    assert line["start_ns"] <= line["end_ns"]


def test_what_is_no_telemetry_is_refused() -> None:
    with otlp() as server:
        assert local.post(f"{server.url}/v1/traces", content=b"bread").status_code == 400
        assert local.post(f"{server.url}/v2/traces", content=b"").status_code == 404


def test_a_person_can_run_them_and_stop_them() -> None:
    command = (sys.executable, "-m", "servers", "redis")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout
        announced = launcher.stdout.readline()
        launcher.stdout.readline()
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(timeout=30) == 0

    assert announced.startswith("export MILLRACE_RATES_URL=redis://127.0.0.1:")


def test_a_server_that_nobody_knows_is_refused() -> None:
    asked = subprocess.run(
        (sys.executable, "-m", "servers", "oracle"), capture_output=True, text=True, check=False
    )

    assert asked.returncode == 2
    assert "oracle" in asked.stderr
