"""The servers that integration tests run on really answer."""

import asyncio
import signal
import subprocess
import sys

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


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
