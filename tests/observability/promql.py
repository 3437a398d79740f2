"""What rules and dashboards ask Prometheus for, and what the services have to offer."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import REGISTRY, Metric

from embedded.stack import SERVICES

ROOT = Path(__file__).parents[2]
OBSERVABILITY = ROOT / "deploy" / "observability"
RUNBOOK = ROOT / "docs" / "operations.md"
_STRING = re.compile(r'"[^"]*"')
_NAME = re.compile(r"\b(?:millrace|process)_\w+|\b[a-z]+:[\w:]+|\bup\b")
_SUFFIXES = {
    "histogram": ("_bucket", "_count", "_sum"),
    "counter": ("_total",),
    "gauge": ("",),
}


def rules() -> list[dict[str, Any]]:
    """Return every recording and alerting rule."""
    files = [OBSERVABILITY / "rules" / f"{name}.yml" for name in ("recording", "alerts")]
    return [
        rule
        for file in files
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[dict[str, Any]]:
    """Return the alerting rules."""
    return [rule for rule in rules() if "alert" in rule]


def names_in(expression: str) -> set[str]:
    """Return the metrics that a PromQL expression reads."""
    return set(_NAME.findall(_STRING.sub('""', expression)))


def families() -> Iterator[Metric]:
    """Return every metric that a service registers when it is imported."""
    for service in SERVICES:
        importlib.import_module(f"{service}.app")
    yield from REGISTRY.collect()


def exported() -> set[str]:
    """Return the name of every time series that services export."""
    return {
        f"{family.name}{suffix}"
        for family in families()
        for suffix in _SUFFIXES.get(family.type, ("",))
    }


def our_metrics() -> set[str]:
    """Return the names of our own metrics as they stand in the text format's headings."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in families()
        if family.name.startswith("millrace_")
    }


def headings(level: int, *, below: str | None = None) -> list[str]:
    """Return the runbook's headings of a level, those of one section alone where it is named."""
    found, section = [], ""
    for line in RUNBOOK.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        if line.startswith("#" * level + " ") and below in (None, section):
            found.append(line.lstrip("# "))
    return found


def anchor(heading: str) -> str:
    """Return what a link to a heading ends in."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
