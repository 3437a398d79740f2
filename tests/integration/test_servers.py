"""The servers that integration tests run on really answer."""

import asyncio

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
