"""Keys land where every other Kafka client puts them."""

from aiokafka.partitioner import DefaultPartitioner

from chassis.partitions import Partitioner

PARTITIONS = list(range(6))


def test_a_key_has_the_partition_that_kafka_gives_it() -> None:
    mine, stock = Partitioner(), DefaultPartitioner()
    for number in range(500):
        key = f"tenant:user-{number}".encode()
        assert mine(key, PARTITIONS, PARTITIONS) == stock(key, PARTITIONS, PARTITIONS)
        assert mine(key, PARTITIONS, PARTITIONS) == stock(key, PARTITIONS, PARTITIONS)


def test_without_a_key_only_available_partitions_are_chosen() -> None:
    assert {Partitioner()(None, PARTITIONS, [4]) for _ in range(20)} == {4}
