"""What a cluster has, compared with the table, while its brokers still hear of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chassis import topics


class Admin:
    """A broker that knows the names of all topics, and of one no more than that."""

    def __init__(self, names: Sequence[str], *, fresh: str) -> None:
        self._names = names
        self._fresh = fresh

    async def list_topics(self) -> Sequence[str]:
        return self._names

    async def describe_topics(self, names: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"topic": name, "partitions": [] if name == self._fresh else [{"replicas": [1]}]}
            for name in names
        ]

    async def describe_configs(self, resources: Sequence[Any]) -> list[Any]:
        assert self._fresh not in [resource.name for resource in resources]
        return []


async def test_a_topic_without_partitions_is_absent_still(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [topic.name for topic in topics.platform_topics(1)]
    asked = Admin(names, fresh=names[0])

    @asynccontextmanager
    async def admin(_kafka: object) -> AsyncIterator[Admin]:
        yield asked

    monkeypatch.setattr(topics, "_admin", admin)
    found = await topics.differences("nowhere:9092", replication=1)
    assert f"{names[0]}: absent" in found
    assert not [line for line in found if line.startswith(f"{names[0]}: partitions")]
