"""One whole stack, looked at from outside: its metrics, its logs, its dead letters."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from contracts.topics import CONVERSIONS
from embedded.stack import SERVICES
from tests import local
from tests.e2e.conftest import PASSWORD, Tenant, registered
from tests.observability import prometheus
from tests.observability.promql import alerts, names_in, our_metrics, rules
from tests.running import RunningStack, until

OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0"}
WRONG = "not the passphrase at all"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Return a stack of these tests' own."""
    stack = RunningStack.planned(tmp_path_factory.mktemp("stack") / "home")
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def tenant(stack: RunningStack) -> Iterator[Tenant]:
    """Return a tenant that has been at work."""
    tenant = registered(stack.base_url)
    tenant.key_client.post("/api/items", json={"itemId": "i1", "metadata": {"a": 1}})
    body = {"userId": "u1", "itemId": "i1", "interactionType": "view"}
    assert tenant.key_client.post("/api/v1/interactions", json=body).status_code == 201
    tenant.key_client.post("/api/v1/recommend", json={"userId": "u1", "count": 3})
    yield tenant
    tenant.client.close()
    tenant.key_client.close()


def metrics_of(stack: RunningStack, service: str, **headers: str) -> str:
    """Return what a service exports."""
    port = stack.status()[service]["port"]
    return local.get(f"http://127.0.0.1:{port}/metrics", headers=headers, timeout=30).text


def exemplars(stack: RunningStack, service: str) -> set[str]:
    """Return the traces that a service's histogram of requests names."""
    text = metrics_of(stack, service, **OPENMETRICS)
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {
        sample.exemplar.labels["trace_id"]
        for family in families
        for sample in family.samples
        if sample.exemplar
    }


def logs(stack: RunningStack) -> dict[str, str]:
    """Return the logs of all processes by file."""
    files = stack.home.glob("logs/*.log")
    return {file.name: file.read_text() for file in files}


def test_running_services_export_what_rules_read(stack: RunningStack, tenant: Tenant) -> None:
    said = {
        line.split()[2]
        for service in SERVICES
        for line in metrics_of(stack, service).splitlines()
        if line.startswith("# TYPE")
    }
    assert our_metrics() <= said
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    read = {name for alert in alerts() for name in names_in(alert["expr"])} - recorded - {"up"}
    assert {
        name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in read
    } <= said


def test_series_name_no_tenant_and_no_path_as_it_came(stack: RunningStack, tenant: Tenant) -> None:
    word = secrets.token_hex(8)
    tenant.client.get(f"/api/items/{word}")
    tenant.client.get(f"/{word}")
    me = tenant.client.get("/api/v1/auth/user/").json()
    assert me["email"] == tenant.email
    for service in SERVICES:
        text = metrics_of(stack, service)
        assert word not in text
        assert tenant.email not in text
        assert tenant_uid(stack, tenant) not in text


def tenant_uid(stack: RunningStack, tenant: Tenant) -> str:
    """Return the uid that stands in the names of a tenant's topics."""
    answer = tenant.key_client.get("/api/v1/ingest").json()
    return next(part for part in json.dumps(answer).split(".") if len(part) == 36)


def test_the_exemplar_of_a_call_leads_to_its_trace(stack: RunningStack, tenant: Tenant) -> None:
    kept, dropped = secrets.token_hex(16), secrets.token_hex(16)
    for trace_id, flag in ((dropped, "00"), (kept, "01")):
        header = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-{flag}"}
        assert tenant.key_client.get("/api/items", headers=header).status_code == 200
    for service in ("gateway", "catalog"):
        named = exemplars(stack, service)
        assert kept in named
        assert dropped not in named

    def is_written() -> bool:
        return any(kept in file.read_text() for file in (stack.home / "traces").glob("*.jsonl"))

    until(is_written)


def test_prometheus_scrapes_all_evaluates_every_rule_and_keeps_exemplars(
    stack: RunningStack, tenant: Tenant, tmp_path: Path
) -> None:
    with prometheus.watching(stack, tmp_path) as client:
        everyone = dict.fromkeys(SERVICES, 1.0)
        until(lambda: prometheus.ask(client, 'up{job="millrace"}') == everyone)
        assert prometheus.ask(client, "min by (service) (millrace_ready)") == everyone
        trace_id = secrets.token_hex(16)
        header = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
        tenant.key_client.get("/api/items", headers=header)
        buckets = "millrace_request_seconds_bucket"
        until(lambda: trace_id in prometheus.exemplars(client, buckets))
        until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules(client)))
        found = prometheus.rules(client)
        assert {rule["name"] for rule in found if rule["type"] == "alerting"} == {
            alert["alert"] for alert in alerts()
        }
        firing = [rule["name"] for rule in found if rule.get("state") == "firing"]
        assert firing == []
        slowest = "service:millrace_request_seconds:p99_rate5m"
        until(lambda: "gateway" in prometheus.ask(client, slowest))


def test_dead_letters_are_listed_and_redriven_by_command(
    stack: RunningStack, tenant: Tenant
) -> None:
    assert "no dead letters" in stack.command("dead", CONVERSIONS.name)
    producer = Producer({"bootstrap.servers": stack.kafka})
    producer.produce(CONVERSIONS.name, value=b"{ no record")
    producer.flush(30)

    def listed(state: str, count: int) -> bool:
        lines = stack.command("dead", CONVERSIONS.name).splitlines()
        return sum("billing.conversions" in line and state in line for line in lines) == count

    until(lambda: listed("waiting", 1))
    assert "1 redriven" in stack.command("redrive", CONVERSIONS.name, "--all")
    # Nobody can read it this time either, so it waits anew beside what was redriven.
    until(lambda: listed("redriven", 1) and listed("waiting", 1))
    dead = 'millrace_events_total{outcome="dead",subscription="billing.conversions"} 2.0'
    until(lambda: dead in metrics_of(stack, "billing"))


def test_logs_are_json_with_traces_and_hold_no_secret(stack: RunningStack, tenant: Tenant) -> None:
    with local.Client(base_url=stack.base_url, timeout=30) as stranger:
        for password in (WRONG, PASSWORD):
            body = {"email": tenant.email, "password": password}
            answer = stranger.post("/api/auth/login", json=body)
        signed_in = answer.json()
        stranger.get("/api/items", headers={"X-API-Key": f"{tenant.api_key}x"})
        stranger.get("/api/items", headers={"Authorization": f"Bearer {tenant.token}x"})
        stranger.post("/api/auth/login", content=f'{{"password": "{WRONG}", '.encode())
    secret = [PASSWORD, WRONG, tenant.api_key, tenant.token, *_tokens(signed_in)]
    secret.append((stack.home / "admin-password").read_text().strip())
    found = logs(stack)
    assert set(found) >= {f"{service}.log" for service in SERVICES}
    for name, text in found.items():
        assert [each[:6] for each in secret if each in text] == [], name
        assert "PRIVATE KEY" not in text
        assert "eyJ" not in text
    lines = [json.loads(line) for line in found["billing.log"].splitlines()]
    assert all(len(line["trace_id"]) == 32 for line in lines)
    assert any("is given up" in line["message"] for line in lines)


def _tokens(signed_in: dict[str, object]) -> list[str]:
    tokens = [str(signed_in[name]) for name in signed_in if "token" in name.lower()]
    assert tokens
    return tokens
