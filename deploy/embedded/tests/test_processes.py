"""What the stack consists of, and what waits for what."""

from pathlib import Path

import pytest

from embedded import backends, settings
from embedded.failure import Failure
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


@pytest.fixture
def doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Process]:
    """Return two of each service on real servers, PostgreSQL excepted: that one was given."""
    monkeypatch.setenv("MILLRACE_DATABASE_URL", "postgresql+asyncpg://elsewhere/millrace_{service}")
    wanted = {"MILLRACE_HOME": tmp_path, "backends": "servers", "replicas": 2}
    stack = backends.plan(settings.load(**wanted))
    return {process.name: process for process in processes(stack)}


def test_each_replica_is_a_process_of_its_own(doubled: dict[str, Process]) -> None:
    assert {f"{name}-{number}" for name in SERVICES for number in (1, 2)} <= set(doubled)
    first, second = doubled["billing-1"].environment, doubled["billing-2"].environment
    assert (first["MILLRACE_REPLICA"], second["MILLRACE_REPLICA"]) == ("1", "2")
    assert first["MILLRACE_HOME"] != second["MILLRACE_HOME"]
    assert first["MILLRACE_KEYS"] == second["MILLRACE_KEYS"]


def test_every_gateway_knows_all_replicas(doubled: dict[str, Process]) -> None:
    known = doubled["gateway-2"].environment["MILLRACE_TRAINING_URL"].split(",")
    replicas = [f"http://127.0.0.1:{doubled[name].port}" for name in ("training-1", "training-2")]
    assert known == replicas


def test_the_first_gateway_has_the_port_that_was_asked_for(doubled: dict[str, Process]) -> None:
    assert doubled["gateway-1"].port == 8080
    assert doubled["gateway-2"].port != 8080


def test_services_are_led_to_the_servers_and_wait_for_them(doubled: dict[str, Process]) -> None:
    environment = doubled["inference-1"].environment
    assert (
        environment["MILLRACE_DOCUMENTS_URL"]
        == f"mongodb://127.0.0.1:{doubled['mongo'].port}/millrace"
    )
    assert environment["MILLRACE_BLOBS_URL"].startswith("s3://")
    assert set(doubled["inference-1"].after) == {"topics", "tables", "mongo", "redis", "s3", "otlp"}


def test_a_server_that_was_given_is_used_and_not_started(doubled: dict[str, Process]) -> None:
    assert "postgres" not in doubled
    assert (
        doubled["tables"]
        .environment["MILLRACE_DATABASE_URL"]
        .startswith("postgresql+asyncpg://else")
    )


def test_several_processes_of_a_service_need_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_REPLICAS", "2")
    with pytest.raises(Failure, match="SQLite has one process per service"):
        settings.load()
