"""How large a record may be: checked where it is made, because a broker refuses it too late."""

from collections.abc import Mapping

from chassis.problems import TooLarge
from contracts.topics import MAX_RECORD_BYTES

#: Largest request, in bytes: a record of a tenant is at most 1 MiB and grows by its envelope.
MAX_REQUEST_BYTES = 4 * 1024 * 1024
#: A dead letter is such a record and says why it is there.
MAX_DEAD_BYTES = MAX_REQUEST_BYTES + 64 * 1024
#: Bytes that Kafka's format may add to a record, and to each of its headers.
_FRAME = 1024
_HEADER_FRAME = 16


def most_bytes(topic: str) -> int:
    """Return how many bytes of key, value and headers a topic takes in one record."""
    if topic.startswith("ingest."):
        return MAX_RECORD_BYTES - _FRAME
    return (MAX_DEAD_BYTES if topic.endswith(".dead") else MAX_REQUEST_BYTES) - _FRAME


def check(topic: str, *, key: str, value: bytes, headers: Mapping[str, str]) -> None:
    """Let a record pass that its topic will take.

    Raises:
        TooLarge: no broker would take it, so it must not wait in an outbox.
    """
    size = len(value) + len(key.encode(errors="surrogateescape"))
    for name, text in headers.items():
        size += len(name.encode()) + len(text.encode()) + _HEADER_FRAME
    if size > most_bytes(topic):
        raise TooLarge(
            f"What this would announce has {size} bytes; it may have {most_bytes(topic)}."
        )
