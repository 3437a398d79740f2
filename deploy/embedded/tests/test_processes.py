"""What the stack consists of, and what waits for what."""

from pathlib import Path

import pytest

from embedded.home import Home
from embedded.processes import Process, processes
from embedded.stack import SERVICES, Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack.planned(Home(tmp_path), port=8080, kafka_port=9092)


@pytest.fixture
def parts(stack: Stack) -> dict[str, Process]:
    return {process.name: process for process in processes(stack)}


def test_kafka_and_tables_come_first_then_topics_then_services(parts: dict[str, Process]) -> None:
    assert parts["kafka"].after == ()
    assert parts["topics"].after == ("kafka",)
    assert parts["tables"].after == ()
    assert {parts[name].after for name in SERVICES} == {("topics", "tables")}


def test_a_service_starts_with_the_command_of_its_image(parts: dict[str, Process]) -> None:
    assert parts["catalog"].command[1:] == ("-m", "catalog.app")


def test_every_service_has_its_tables_brought_up_to_date(parts: dict[str, Process]) -> None:
    assert parts["tables"].command[1:] == ("-m", "chassis.migrations", "upgrade", *SERVICES)


def test_every_process_has_a_port_of_its_own(parts: dict[str, Process]) -> None:
    ports = [process.port for process in parts.values() if process.port]
    assert len(set(ports)) == len(SERVICES) + 1
    assert parts["gateway"].port == 8080
    assert parts["kafka"].port == 9092


def test_only_the_gateway_knows_where_the_others_are(parts: dict[str, Process]) -> None:
    assert (
        parts["gateway"].environment["MILLRACE_CATALOG_URL"].endswith(f":{parts['catalog'].port}")
    )
    assert "MILLRACE_CATALOG_URL" not in parts["billing"].environment


def test_every_process_carries_the_id_of_its_run(parts: dict[str, Process], stack: Stack) -> None:
    assert {process.environment["MILLRACE_RUN"] for process in parts.values()} == {stack.run_id}


def test_kafka_listens_on_this_machine_alone(stack: Stack) -> None:
    listeners = str(stack.node.properties["listeners"]).split(",")
    assert [listener.split("://")[1].split(":")[0] for listener in listeners] == ["127.0.0.1"] * 2


def test_kafka_storage_is_formatted_once(stack: Stack) -> None:
    assert "format" in {process.name: process for process in processes(stack)}["kafka"].first
    (stack.node.folder / "data").mkdir(parents=True)
    (stack.node.folder / "data" / "meta.properties").touch()
    assert {process.name: process for process in processes(stack)}["kafka"].first == ()
