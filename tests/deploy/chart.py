"""The chart, rendered by Helm's own library, and what a test asks about the outcome."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))

Manifest = dict[str, Any]


def values_of(file: Path | None) -> dict[str, Any]:
    """Return an example's values; none for the chart's own."""
    return yaml.safe_load(file.read_text()) if file else {}


def rendered(values: dict[str, Any]) -> list[Manifest]:
    """Return the manifests that a release called `millrace` consists of."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name="millrace", namespace="apps")
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml")]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Return the manifests of some kinds."""
    return [one for one in manifests if one["kind"] in kinds]


def component(manifest: Manifest) -> str:
    """Return the service or job that a manifest is about."""
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the specification of every pod, with its component."""
    for one in of_kind(manifests, "Deployment", "StatefulSet", "Job"):
        yield component(one), one["spec"]["template"]["spec"]
