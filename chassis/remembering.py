"""How long what has happened is remembered: what is sent again must still be known as a repeat.

A topic that is not compacted holds a record for its retention; a replay sends no fact again that is
older than that; and an inbox remembers what it has had for twice as long. So whoever gets a fact a
second time, and handles it within one more retention, knows it.
"""

from datetime import timedelta

from contracts.topics import INGEST_TOPICS, TOPICS

#: What a replay sends again of topics that are not compacted: what is no older than this.
REPLAYED = timedelta(
    milliseconds=max(
        *(topic.retention_ms for topic in TOPICS if not topic.compacted),
        *(topic.retention_ms for topic in INGEST_TOPICS),
    )
)
_INBOX_FACTOR = 2
#: How long every inbox remembers at least: no setting makes it less.
REMEMBERED = _INBOX_FACTOR * REPLAYED


def inbox_memory(keep: timedelta) -> timedelta:
    """Return how long an inbox remembers, where outboxes remember for `keep`."""
    return _INBOX_FACTOR * keep
