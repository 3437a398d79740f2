"""Writes what the services promise into `contracts/snapshots`: schemas, AsyncAPI and OpenAPI."""

import importlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

from chassis.app import Service, create_app
from chassis.asyncapi import document, schema_of
from chassis.settings import Settings
from chassis.testing import VERIFIER, write_keys
from contracts.compatibility import breaks
from contracts.topics import INGEST_TOPICS, TOPICS

SERVICES = ("gateway", "catalog", "training", "inference", "billing", "experiments")
FOLDER = Path(__file__).resolve().parents[2] / "contracts" / "snapshots"


def build(service: str, home: Path) -> Service:
    """Compose a service on a data folder of its own, without starting anything."""
    write_keys(home / "keys")
    module = importlib.import_module(f"{service}.app")
    # What a service builds from is its own: the annotation of the first argument says it.
    settings: type[Settings] = next(iter(get_type_hints(module.build).values()))
    built: Service = module.build(settings(home=home))
    built.verifier = VERIFIER
    return built


def current() -> Iterator[tuple[Path, str]]:
    """Yield each snapshot: its file below the snapshots folder and its text."""
    for topic in TOPICS:
        yield Path("schemas") / f"{topic.name}.json", _text(schema_of(topic))
    for ingest in INGEST_TOPICS:
        if ingest.schema is not None:
            yield Path("schemas") / f"ingest.{ingest.suffix}.json", _text(schema_of(ingest))
    for name in SERVICES:
        with tempfile.TemporaryDirectory() as folder:
            service = build(name, Path(folder))
            heard = document(name, version="1", subscriptions=service.subscriptions)
            yield Path("asyncapi") / f"{name}.json", _text(heard)
            openapi = create_app(service, background=False).openapi()
            openapi["info"]["version"] = "1"
            yield Path("openapi") / f"{name}.json", _text(openapi)


def _text(document: Any) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Rewrite the snapshots and say which ones changed; refuse a change that breaks a reader."""
    for name, text in current():
        path = FOLDER / name
        if path.exists() and path.read_text() == text:
            continue
        if path.exists() and name.parts[0] == "schemas" and "--accept-break" not in sys.argv:
            broken = breaks(json.loads(path.read_text()), json.loads(text))
            if broken:
                sys.exit(f"{name} needs a new version: {'; '.join(broken)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main()
