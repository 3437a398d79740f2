"""Kafka's own way from keys to partitions, remembered: the hash costs as much as a send."""

from collections.abc import Sequence
from functools import lru_cache

from aiokafka.partitioner import DefaultPartitioner, murmur2

#: Keys whose hash is remembered; a key is a tenant's user, and those who are active come again.
_KEYS = 65_536

_hash = lru_cache(maxsize=_KEYS)(murmur2)


class Partitioner(DefaultPartitioner):  # type: ignore[misc] # aiokafka ships no types
    """Puts each key where every other Kafka client puts it."""

    def __call__(
        self, key: bytes | None, all_partitions: Sequence[int], available: Sequence[int]
    ) -> int:
        """Return the partition of a key; any that is available where there is none."""
        if key is None:
            return int(super().__call__(key, all_partitions, available))
        position = int(_hash(key) & 0x7FFFFFFF) % len(all_partitions)
        return all_partitions[position]
