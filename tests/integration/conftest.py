"""The real servers, each started when the first test asks for it and shared by all others.

A server that cannot be started fails the tests that need it, with a sentence that says what to
install: nothing is skipped.
"""

from collections.abc import Iterator, Sequence

import pytest

from servers.kafka import kafka as run_kafka
from servers.kafka import kafka_cluster as run_kafka_cluster
from servers.mongo import mongo
from servers.postgres import postgres
from servers.redis import redis
from servers.s3 import s3
from servers.server import Server


@pytest.fixture(autouse=True)
def patient_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give clients of Kafka the time that a busy machine needs for their leave.

    A stop that is cut short leaves connections behind, and a garbage collection that finds them
    fails a test that has no part in it. The Kafka of these tests always answers in the end.
    """
    monkeypatch.setattr("chassis.app._KAFKA_GRACE", 30.0)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Return the URL of an empty database on a server whose user may create more."""
    with postgres() as server:
        yield server.url.replace("{service}", "catalog")


@pytest.fixture(scope="session")
def mongo_url() -> Iterator[str]:
    """Return the URL of a server that speaks MongoDB's protocol, database included."""
    with mongo() as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Return the URL of an empty Redis."""
    with redis() as server:
        yield server.url


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """Return a blob store's URL; the keys to it stand in the environment, as in production."""
    with s3() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server.url


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Return the address of an empty Kafka node, `host:port`."""
    with run_kafka() as server:
        yield server.url


@pytest.fixture(scope="session")
def producers_kafka() -> Iterator[Server]:
    """Return a Kafka node for the tests of producers, which run whole services.

    Services would read what other tests leave on the platform's topics.
    """
    with run_kafka() as server:
        yield server


@pytest.fixture
def kafka_cluster() -> Iterator[Sequence[Server]]:
    """Return three empty nodes of one cluster, for a test that may kill one."""
    with run_kafka_cluster() as servers:
        yield servers
