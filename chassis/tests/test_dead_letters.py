"""Which dead letters a consumer looks at, and what is written of one; Kafka itself is elsewhere."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from aiokafka import ConsumerRecord

from chassis import dead_letters
from chassis.clock import now
from chassis.cluster import Cluster
from chassis.dead_letters import FOR, ORIGINAL, CannotRedrive, headers_to_bury, is_for, source_of
from chassis.testing import raw_record
from contracts.topics import CONVERSIONS


def dead(record: ConsumerRecord, **headers: str) -> ConsumerRecord:
    """Return a record as it lies among dead letters."""
    pairs = tuple((name.replace("_", "-"), text.encode()) for name, text in headers.items())
    return replace(record, topic=CONVERSIONS.dead, headers=pairs)


@pytest.fixture
def record() -> ConsumerRecord:
    return raw_record(CONVERSIONS.name, b"{}", 7)


def test_of_a_topic_everything_is_looked_at(record: ConsumerRecord) -> None:
    assert is_for(record, "billing.conversions")


def test_of_dead_letters_only_what_is_addressed(record: ConsumerRecord) -> None:
    addressed = dead(record, **{FOR: "billing.conversions"})
    assert is_for(addressed, "billing.conversions")
    assert not is_for(addressed, "billing.servings")
    assert not is_for(dead(record), "billing.conversions")


def test_a_letter_buried_again_keeps_its_first_source_and_loses_its_address(
    record: ConsumerRecord,
) -> None:
    first = json.dumps({"topic": CONVERSIONS.name, "partition": 2, "offset": 5})
    again = dead(record, **{FOR: "billing.conversions", ORIGINAL: "0:3", "millrace-source": first})
    assert source_of(again) == first
    assert headers_to_bury(again) == {"millrace-source": first}
    assert json.loads(source_of(record))["topic"] == CONVERSIONS.name


def test_without_kafka_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILLRACE_KAFKA_URL", "127.0.0.1:1")
    monkeypatch.setattr("sys.argv", ["dead_letters", "list"])
    assert dead_letters.main() == 1
    assert capsys.readouterr().err == "Kafka cannot be reached at 127.0.0.1:1.\n"


async def test_a_topic_that_there_is_not_is_named() -> None:
    with pytest.raises(dead_letters.CannotRedrive, match="conversions"):
        await dead_letters.redrive(Cluster("127.0.0.1:1"), "conversion")


@pytest.fixture
def letters(
    record: ConsumerRecord, monkeypatch: pytest.MonkeyPatch
) -> list[dead_letters.DeadLetter]:
    """Letters that were redriven before: of a week and an hour ago, and of a day less."""
    found = [
        replace(dead_letters._letter(dead(record), redriven=True), offset=at, when=when.isoformat())
        for at, when in enumerate((now() - timedelta(days=7, hours=1), now() - timedelta(days=6)))
    ]
    return [replace(letter, state="redriven") for letter in found]


def test_what_may_be_forgotten_is_not_redriven_again(
    letters: list[dead_letters.DeadLetter],
) -> None:
    with pytest.raises(CannotRedrive, match="older than 7 days"):
        dead_letters._chosen(letters, 0, again=True)
    assert dead_letters._chosen(letters, 1, again=True) is letters[1]


def test_what_never_had_its_effect_is_redriven_however_old(
    letters: list[dead_letters.DeadLetter],
) -> None:
    waiting = [replace(letter, state="waiting") for letter in letters]
    assert dead_letters._chosen(waiting, 0, again=False) is waiting[0]
