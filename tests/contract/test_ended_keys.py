"""What ends says so: a deletion's key leaves its compacted topic, and no other key does."""

import pytest

from contracts.envelope import Event
from contracts.topics import TOPICS, classes

#: Endings of words that say that something is gone.
_GONE = ("Deleted", "Retired", "Forgotten", "Erased", "Revoked")
KINDS = [kind for topic in TOPICS if topic.compacted for kind in classes(topic.schema)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_deletion_ends_its_key_and_nothing_else_does(kind: type[Event]) -> None:
    assert kind.ends_key == kind.__name__.endswith(_GONE)


@pytest.mark.parametrize("kind", [each for each in KINDS if each.ends_key])
def test_what_ends_a_key_has_the_key_of_what_it_ends(kind: type[Event]) -> None:
    beside = [each for each in KINDS if each is not kind and each.key_fields == kind.key_fields]
    assert beside or kind.__name__ in {"PersonErased", "ApiKeyRevoked"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_begins_with_its_class(kind: type[Event]) -> None:
    """The outbox tells ends by the first bytes of what it keeps."""
    assert next(iter(kind.model_fields)) == "type"
