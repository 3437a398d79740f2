"""The command line: sentences for people, JSON for machines."""

import json
from pathlib import Path

import pytest

from embedded import __main__ as command_line
from embedded import records
from embedded.home import Home, prepare
from embedded.records import Record
from embedded.stack import Stack
from embedded.status import look


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    home = Home(tmp_path)
    prepare(home)
    return home


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["embedded", *words])
    return command_line.main()


@pytest.mark.parametrize("port", ["zero", "0", "70000"])
def test_a_senseless_port_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: str
) -> None:
    monkeypatch.setenv("MILLRACE_KAFKA_PORT", port)
    assert run(monkeypatch, "up") == 1
    said = capsys.readouterr().out
    assert said.startswith("MILLRACE_KAFKA_PORT: ")
    assert said.count("\n") == 1


def test_status_of_nothing_is_an_empty_array(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "status", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


async def test_status_shows_the_fallen_as_not_ready(home: Home) -> None:
    records.write_stack(Stack.planned(home, port=1, kafka_port=2))
    records.write(home, Record("kafka", pid=2**22 + 1, port=2, version="4.3.1"))
    lines = {line.name: line for line in await look(home)}
    assert len(lines) == 7
    assert (lines["kafka"].pid, lines["kafka"].ready) == (None, False)
    assert lines["gateway"].port == 1


def test_a_record_that_is_forgotten_while_it_is_read_is_no_error(home: Home) -> None:
    kept = Record("kafka", pid=1, port=2)
    records.write(home, kept)
    (home.run / "catalog.json").symlink_to("forgotten")
    assert records.read(home) == {"kafka": kept}


def test_a_service_that_does_not_exist_is_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records.write_stack(Stack.planned(home, port=1, kafka_port=2))
    assert run(monkeypatch, "replay", "bakery") == 1
    assert "no service 'bakery'" in capsys.readouterr().out


def test_an_assertion_needs_a_stack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "assertion") == 1
    assert "make up" in capsys.readouterr().out
