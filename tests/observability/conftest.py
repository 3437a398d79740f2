"""What several of these tests look at: a Kafka of their own, and one whole stack."""

from collections.abc import Iterator

import pytest

from servers.kafka import kafka as run_kafka


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Return the address of an empty Kafka node, `host:port`."""
    with run_kafka() as server:
        yield server.url
