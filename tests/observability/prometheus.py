"""A real Prometheus (Debian package `prometheus`) that watches one stack."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from embedded import ports
from embedded.stack import SERVICES
from tests import local
from tests.observability.promql import OBSERVABILITY
from tests.running import RunningStack, until


@contextmanager
def watching(stack: RunningStack, folder: Path) -> Iterator[httpx.Client]:
    """Run Prometheus with our rules on the services of a stack; yield a client of its API."""
    (port,) = ports.choose(1)
    config = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(OBSERVABILITY / name) for name in config["rule_files"]]
    del config["alerting"]
    found = stack.status()
    config["scrape_configs"][0]["static_configs"] = [
        {"targets": [f"127.0.0.1:{found[service]['port']}"], "labels": {"service": service}}
        for service in SERVICES
    ]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    command = [
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        with local.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            until(lambda: process.poll() is not None or _is_ready(client))
            assert process.poll() is None, log.read_text()
            yield client
    finally:
        process.terminate()
        process.wait(timeout=20)


def ask(client: httpx.Client, query: str) -> dict[str, float]:
    """Return the values of an instant query by the label `service`."""
    found = _data(client, "/api/v1/query", query=query)["result"]
    return {each["metric"].get("service", ""): float(each["value"][1]) for each in found}


def rules(client: httpx.Client) -> list[dict[str, Any]]:
    """Return every rule with its health."""
    groups = _data(client, "/api/v1/rules")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def exemplars(client: httpx.Client, query: str) -> set[str]:
    """Return the traces that a query's series name, of the last ten minutes."""
    now = float(_data(client, "/api/v1/query", query="time()")["result"][1])
    series = _data(client, "/api/v1/query_exemplars", query=query, start=now - 600, end=now + 60)
    return {each["labels"]["trace_id"] for found in series for each in found["exemplars"]}


def _data(client: httpx.Client, path: str, **asked: Any) -> Any:
    return client.get(path, params=asked).raise_for_status().json()["data"]


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False
