"""Traces and logs: W3C trace context everywhere, JSON logs with it, spans to a file or OTLP."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.redaction import redacted
from chassis.settings import Settings

log = logging.getLogger("millrace")
_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("millrace")
#: Span files are started anew beyond this size, in bytes; one older file is kept.
_SPAN_FILE_BYTES = 64 * 1024 * 1024
_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS


class FileSpanExporter(SpanExporter):
    """Appends spans to `<folder>/<service>.jsonl`, one JSON object a line, for `make trace`."""

    def __init__(self, folder: Path, service: str) -> None:
        """Write below `folder`, which exists."""
        self._path = folder / f"{service}.jsonl"
        self._service = service

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the spans; a full disk loses spans, never requests."""
        # On the thread beside the service's own: what this costs, requests wait for.
        lines = b"".join(orjson.dumps(_line(span, self._service), option=_LINE) for span in spans)
        try:
            if self._path.exists() and self._path.stat().st_size > _SPAN_FILE_BYTES:
                self._path.replace(self._path.with_suffix(".old.jsonl"))
            with self._path.open("ab") as file:
                file.write(lines)
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is held open."""


def _line(span: ReadableSpan, service: str) -> dict[str, Any]:
    context = span.get_span_context()
    if context is None:
        raise ValueError("a finished span has a context")
    return {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "name": span.name,
        "service": service,
        "kind": span.kind.name.lower(),
        "start_ns": span.start_time,
        "end_ns": span.end_time,
        "status": span.status.status_code.name.lower(),
        "attributes": dict(span.attributes or {}),
    }


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Where finished spans go, and which traces are kept."""

    processor: SpanProcessor
    resource: Resource
    #: Traces whose id's lower half is below this are kept.
    bound: int


_pipeline: Pipeline | None = None


def start(service: str, settings: Settings) -> TracerProvider:
    """Send this process's spans to OTLP where an end point is set, else to a file."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"millrace-{service}"}),
        sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
        shutdown_on_exit=False,
    )
    processor = BatchSpanProcessor(_exporter(service, settings), schedule_delay_millis=500)
    provider.add_span_processor(processor)
    global _tracer, _pipeline
    _tracer = provider.get_tracer("millrace")
    bound = TraceIdRatioBased.get_bound_for_rate(settings.trace_ratio)
    _pipeline = Pipeline(processor, provider.resource, bound)
    return provider


def pipeline() -> Pipeline | None:
    """Return where finished spans go; None while this process records none."""
    return _pipeline


def _exporter(service: str, settings: Settings) -> SpanExporter:
    if settings.otlp_endpoint is None:
        return FileSpanExporter(settings.folder("traces"), service)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
    links: Sequence[Link] = (),
    **attributes: Any,
) -> Iterator[Span]:
    """Run the block in a span; attributes get the prefix `millrace.`."""
    named = {f"millrace.{key}": value for key, value in attributes.items() if value is not None}
    with _tracer.start_as_current_span(
        name, context=parent, kind=kind, attributes=named, links=list(links)
    ) as current:
        yield current


@contextmanager
def span_within(name: str) -> Iterator[None]:
    """Run the block in a span if it is part of a trace: background work starts none of its own."""
    if not trace.get_current_span().get_span_context().is_valid:
        yield
        return
    with span(name):
        yield


@contextmanager
def span_continuing(headers: Mapping[str, str], name: str, **attributes: Any) -> Iterator[None]:
    """Run the block in a span of the trace that `headers` carry; without one in none at all."""
    if "traceparent" not in headers:
        yield
        return
    with span(name, parent=extract(headers), **attributes):
        yield


def open_span(name: str, *, parent: Context, **attributes: Any) -> Span:
    """Open a consumer span that the caller ends; it does not become the current one."""
    named = {f"millrace.{key}": value for key, value in attributes.items() if value is not None}
    return _tracer.start_span(name, context=parent, kind=SpanKind.CONSUMER, attributes=named)


def inject(context: Context | None = None) -> dict[str, str]:
    """Return the headers that continue a trace, the present one unless told; {} outside of one."""
    present = trace.get_current_span(context).get_span_context()
    if not present.is_valid:
        return {}
    headers = {"traceparent": traceparent(present)}
    if present.trace_state:
        headers["tracestate"] = present.trace_state.to_header()
    return headers


def traceparent(context: SpanContext) -> str:
    """Return the W3C header that continues a span. The library's way costs ten times as much."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def extract(headers: Mapping[str, str]) -> Context:
    """Return the context that a client's or a record's headers carry."""
    return _propagator.extract(headers)


def trace_id() -> str:
    """Return the present trace's id: 32 hexadecimal digits, zeros outside of a trace."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the trace id and without secrets."""

    def __init__(self, service: str) -> None:
        """Name the service that speaks."""
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": redacted(record.getMessage()),
            "trace_id": trace_id(),
        }
        if record.exc_info:
            line["error"] = redacted(self.formatException(record.exc_info))
        # What is said may repeat what somebody sent: any text, be it half a character.
        return json.dumps(line, ensure_ascii=False).encode(errors="replace").decode()


def _is_of_no_socket(record: logging.LogRecord) -> bool:
    """Tell whether a line of uvicorn's is another than that of a WebSocket's coming."""
    return '"WebSocket %s"' not in str(record.msg)


def start_logs(service: str, settings: Settings) -> None:
    """Write this process's logs to standard output."""
    import time

    formatter = JsonFormatter(service)
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(level=settings.log_level_number, handlers=[handler], force=True)
    for chatty in ("aiokafka", "faststream", "uvicorn.access", "botocore", "aiosqlite"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, settings.log_level_number))
    # They write the address of each WebSocket, whose query may hold a token in any spelling, and
    # for debugging each header.
    for telling in ("uvicorn.error", "websockets"):
        logging.getLogger(telling).setLevel(max(logging.INFO, settings.log_level_number))
    logging.getLogger("uvicorn.error").addFilter(_is_of_no_socket)
    # It calls it information that a consumer's place is gone, and that it begins elsewhere.
    places = logging.getLogger("aiokafka.consumer.fetcher")
    places.setLevel(max(logging.INFO, settings.log_level_number))
