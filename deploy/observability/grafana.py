"""Panels and pages as Grafana imports them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${source}"}
#: Grid: two panels of this many columns and rows stand side by side.
_WIDTH, _HEIGHT = 12, 8


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart: queries with their legends, and the unit of what they return."""

    title: str
    unit: str
    #: Pairs of PromQL and legend.
    queries: Sequence[tuple[str, str]]
    kind: str = "timeseries"
    exemplars: bool = False

    def to_dict(self, number: int) -> dict[str, Any]:
        """Return the panel at its place in the grid, counted from 0."""
        column, row = number % 2, number // 2
        targets = [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "exemplar": self.exemplars,
            }
            for index, (expression, legend) in enumerate(self.queries)
        ]
        return {
            "id": number + 1,
            "type": self.kind,
            "title": self.title,
            "datasource": _SOURCE,
            "gridPos": {
                "h": _HEIGHT,
                "w": _WIDTH,
                "x": column * _WIDTH,
                "y": row * _HEIGHT,
            },
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0}, "overrides": []},
            "targets": targets,
        }


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels under a title."""

    name: str
    title: str
    panels: Sequence[Panel]

    def to_dict(self) -> dict[str, Any]:
        """Return the page as Grafana imports it."""
        return {
            "uid": f"millrace-{self.name}",
            "title": self.title,
            "tags": ["millrace"],
            "schemaVersion": 39,
            "timezone": "browser",
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "templating": {"list": [_source_variable(), _service_variable()]},
            "links": [
                {
                    "type": "dashboards",
                    "title": "Millrace",
                    "tags": ["millrace"],
                    "asDropdown": True,
                    "keepTime": True,
                }
            ],
            "panels": [panel.to_dict(number) for number, panel in enumerate(self.panels)],
        }


def _source_variable() -> dict[str, Any]:
    return {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}


def _service_variable() -> dict[str, Any]:
    return {
        "name": "service",
        "label": "Service",
        "type": "query",
        "datasource": _SOURCE,
        "query": 'label_values(up{job="millrace"}, service)',
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
    }
