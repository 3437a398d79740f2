"""Rules and dashboards parse, are tried, and speak only of what services export."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from observability.dashboards import DASHBOARDS, FOLDER, written
from tests.observability.promql import (
    OBSERVABILITY,
    RUNBOOK,
    alerts,
    anchor,
    exported,
    families,
    headings,
    names_in,
    our_metrics,
    rules,
)

QUERIES = [
    pytest.param(target["expr"], id=f"{dashboard.name}: {panel['title']} {target['refId']}")
    for dashboard in DASHBOARDS
    for panel in dashboard.to_dict()["panels"]
    for target in panel["targets"]
]


def promtool(*words: str | Path) -> str:
    """Run Prometheus' own checker (Debian package `prometheus`) and return what it says."""
    done = subprocess.run(
        ["promtool", *map(str, words)], cwd=OBSERVABILITY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")


@pytest.mark.parametrize("file", ["alerts_test.yml", "lasting_test.yml"])
def test_alerts_fire_when_they_should(file: str) -> None:
    assert "SUCCESS" in promtool("test", "rules", f"rules/{file}")


def test_every_alert_is_tried_firing_and_silent() -> None:
    tried: dict[bool, set[str]] = {True: set(), False: set()}
    for file in ("alerts_test.yml", "lasting_test.yml"):
        for test in yaml.safe_load((OBSERVABILITY / "rules" / file).read_text())["tests"]:
            for case in test["alert_rule_test"]:
                tried[bool(case["exp_alerts"])].add(case["alertname"])
    names = {rule["alert"] for rule in alerts()}
    assert tried[True] == names
    assert tried[False] >= names - {"MillraceErrorsSlow"}  # a slower twin of the first


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_reads_only_what_is_exported(rule: dict[str, Any]) -> None:
    names = names_in(rule["expr"])
    assert names
    assert names <= exported() | recorded() | {"up"}


@pytest.mark.parametrize("query", QUERIES)
def test_a_panel_reads_only_what_is_exported(query: str) -> None:
    names = names_in(query)
    assert names
    assert names <= exported() | recorded() | {"up"}


def test_every_panels_query_parses(tmp_path: Path) -> None:
    plain = [
        query.values[0].replace("$__rate_interval", "5m").replace("$service", ".*")  # type: ignore[union-attr]
        for query in QUERIES
    ]
    parse(plain, tmp_path)


def test_the_adapters_query_parses(tmp_path: Path) -> None:
    adapter = yaml.safe_load((OBSERVABILITY / "adapter.yml").read_text())
    [rule] = adapter["rules"]["custom"]
    filled = {
        "<<.Series>>": "millrace_consumer_lag",
        "<<.LabelMatchers>>": 'namespace="millrace",pod=~"millrace-catalog-.*"',
        "<<.GroupBy>>": "pod",
    }
    query = rule["metricsQuery"]
    for blank, value in filled.items():
        query = query.replace(blank, value)
    parse([rule["seriesQuery"], query], tmp_path)


def parse(plain: list[str], folder: Path) -> None:
    """Let Prometheus' own parser read queries."""
    group = {
        "name": "queries",
        "rules": [{"record": f"query:{at}", "expr": query} for at, query in enumerate(plain)],
    }
    file = folder / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [group]}))
    assert f"{len(plain)} rules found" in promtool("check", "rules", file)


def test_the_dashboards_files_are_what_the_code_says() -> None:
    files = {file.name: file.read_text() for file in FOLDER.glob("*.json")}
    assert files == {f"{each.name}.json": written(each) for each in DASHBOARDS}


def test_dashboards_can_be_told_apart() -> None:
    pages = [json.loads(written(each)) for each in DASHBOARDS]
    assert len({page["uid"] for page in pages}) == len({page["title"] for page in pages}) == 5
    for page in pages:
        assert len({panel["id"] for panel in page["panels"]}) == len(page["panels"])


@pytest.mark.parametrize("alert", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]
    path, _, name = alert["annotations"]["runbook_url"].partition("#")
    assert path == "docs/operations.md"
    assert name in {anchor(heading) for heading in headings(3, below="Alerts")}


def test_every_runbook_entry_has_an_alert() -> None:
    wanted = {alert["annotations"]["runbook_url"].partition("#")[2] for alert in alerts()}
    assert {anchor(heading) for heading in headings(3, below="Alerts")} == wanted


def test_the_runbook_lists_the_metrics_that_there_are() -> None:
    [table] = re.findall(r"^## Metrics$(.*?)^## ", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(millrace_[a-z_]+)", table)) == our_metrics()


def test_no_label_can_hold_what_a_stranger_chooses() -> None:
    allowed = {
        "algorithm", "check", "kind", "method", "outcome", "reason", "route", "stage", "state",
        "status", "subscription", "version", "le", "upstream", "limit",
    }  # fmt: skip
    for family in families():
        if family.name.startswith("millrace_"):
            for sample in family.samples:
                assert set(sample.labels) <= allowed, sample


def test_the_collectors_pipelines_use_what_is_declared() -> None:
    collector = yaml.safe_load((OBSERVABILITY / "collector.yml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(collector[kind])
    processors = collector["service"]["pipelines"]["traces"]["processors"]
    assert processors[0] == "memory_limiter"
    assert processors[-1] == "batch"
