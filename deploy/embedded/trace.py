"""`make trace`: one trace out of the span files, printed as a tree with durations."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from embedded.failure import Failure
from embedded.home import Home
from embedded.speech import say


@dataclass(frozen=True, slots=True)
class Span:
    """One line of a span file, as far as the tree shows it."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    service: str
    start_ns: int
    end_ns: int
    status: str

    @classmethod
    def from_line(cls, line: dict[str, Any]) -> "Span":
        """Return the span that a file's line describes."""
        return cls(**{name: line[name] for name in cls.__dataclass_fields__})


def trace(home: Home, trace_id: str) -> None:
    """Print a trace.

    Raises:
        Failure: no service has written a span of it.
    """
    spans = sorted(read(home, trace_id), key=lambda span: span.start_ns)
    if not spans:
        raise Failure(f"No span of trace {trace_id} is in {home.traces}.")
    services = len({span.service for span in spans})
    took = _milliseconds(max(s.end_ns for s in spans) - spans[0].start_ns)
    say(f"trace {trace_id}: {len(spans)} spans, {services} services, {took}")
    for line in tree(spans):
        say(line)


def read(home: Home, trace_id: str) -> Iterator[Span]:
    """Yield the spans of a trace from all services' files."""
    for file in sorted(home.traces.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                # The last line may be half written; a whole one ends its object.
                if trace_id in line and line.endswith("}\n"):
                    yield Span.from_line(json.loads(line))


def tree(spans: Iterable[Span]) -> Iterator[str]:
    """Yield the lines of a trace; a span whose parent nobody wrote is a root."""
    ordered = sorted(spans, key=lambda span: span.start_ns)
    known = {span.span_id for span in ordered}
    below: dict[str | None, list[Span]] = defaultdict(list)
    for span in ordered:
        below[span.parent_id if span.parent_id in known else None].append(span)
    yield from _branches(None, below, indent="", origin=ordered[0].start_ns)


def _branches(
    parent: str | None, below: dict[str | None, list[Span]], *, indent: str, origin: int
) -> Iterator[str]:
    spans = below[parent]
    for span in spans:
        last = span is spans[-1]
        stem, gap = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if parent is None:
            stem = gap = ""
        yield _line(span, f"{indent}{stem}", origin=origin)
        yield from _branches(span.span_id, below, indent=indent + gap, origin=origin)


def _line(span: Span, prefix: str, *, origin: int) -> str:
    label = f"{prefix}{span.service}  {span.name}"
    failed = "  FAILED" if span.status == "error" else ""
    took = _milliseconds(span.end_ns - span.start_ns)
    return f"{label:<76} {took:>10}  at +{_milliseconds(span.start_ns - origin)}{failed}"


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.1f} ms"
