"""A receiver of OpenTelemetry's protocol over HTTP: keeps spans as lines that `make trace` reads.

Metrics and logs are counted; `GET /counts` says how many of each kind have come.
"""

import gzip
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from embedded import ports
from servers.probes import answers
from servers.process import throwaway
from servers.server import Server

#: Files are started anew beyond this size, in bytes; one older file is kept.
_FILE_BYTES = 64 * 1024 * 1024
_MAX_BODY_BYTES = 64 * 1024 * 1024


def describe(folder: Path, on: Sequence[int]) -> Server:
    """Describe a receiver that writes `<service>.jsonl` files into its folder."""
    [port] = on
    return Server(
        name="otlp",
        folder=folder,
        port=port,
        command=(sys.executable, "-m", "servers.otlp", str(port), str(folder)),
        ready=answers(port, b"GET /counts HTTP/1.0\r\n\r\n", expected=b"200"),
        url=f"http://{ports.HOST}:{port}",
        configure=lambda: folder.mkdir(parents=True, exist_ok=True),
    )


@contextmanager
def otlp() -> Iterator[Server]:
    """Run a receiver that has received nothing."""
    with throwaway(describe) as server:
        yield server


class Receiver:
    """What has come: spans in files, the rest as counts."""

    def __init__(self, folder: Path) -> None:
        """Write into a folder that exists."""
        self._folder = folder
        self._lock = Lock()
        self.counts: Counter[str] = Counter(spans=0, metrics=0, logs=0)
        self.paths: Mapping[str, Callable[[bytes], None]] = {
            "/v1/traces": self.traces,
            "/v1/metrics": self.metrics,
            "/v1/logs": self.logs,
        }

    def traces(self, body: bytes) -> None:
        """Keep the spans of one request."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            service = Path(named.get("service.name", "unknown")).name.removeprefix("millrace-")
            spans = [span for scope in resource.scope_spans for span in scope.spans]
            with self._lock:
                self._append(service, [_line(span, service) for span in spans])
                self.counts["spans"] += len(spans)

    def metrics(self, body: bytes) -> None:
        """Count the metrics of one request."""
        resources = ExportMetricsServiceRequest.FromString(body).resource_metrics
        count = sum(len(scope.metrics) for each in resources for scope in each.scope_metrics)
        with self._lock:
            self.counts["metrics"] += count

    def logs(self, body: bytes) -> None:
        """Count the log records of one request."""
        resources = ExportLogsServiceRequest.FromString(body).resource_logs
        count = sum(len(scope.log_records) for each in resources for scope in each.scope_logs)
        with self._lock:
            self.counts["logs"] += count

    def _append(self, service: str, lines: list[dict[str, Any]]) -> None:
        path = self._folder / f"{service}.jsonl"
        if path.exists() and path.stat().st_size > _FILE_BYTES:
            path.replace(path.with_suffix(".old.jsonl"))
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)


def handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers requests for a receiver."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            take = receiver.paths.get(self.path)
            if take is None or length > _MAX_BODY_BYTES:
                self.close_connection = True  # the body is not read
                self._answer(404 if take is None else 413, b"", "text/plain")
                return
            body = self.rfile.read(length)
            try:
                take(gzip.decompress(body) if self._zipped() else body)
            except (DecodeError, OSError) as error:
                self._answer(400, str(error).encode(), "text/plain")
            else:
                self._answer(200, b"", "application/x-protobuf")

        def do_GET(self) -> None:
            self._answer(200, json.dumps(receiver.counts).encode(), "application/json")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing of requests that went well."""

        def _zipped(self) -> bool:
            return str(self.headers.get("Content-Encoding")) == "gzip"

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _line(span: Span, service: str) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_id": span.parent_span_id.hex() or None,
        "name": span.name,
        "service": service,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        "start_ns": span.start_time_unix_nano,
        "end_ns": span.end_time_unix_nano,
        "status": Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_").lower(),
        "attributes": {each.key: _value(each.value) for each in span.attributes},
    }


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind in _PLAIN else str(value)


_PLAIN = frozenset({"string_value", "bool_value", "int_value", "double_value"})


def main() -> None:
    """Receive until stopped: port, folder."""
    receiver = Receiver(Path(sys.argv[2]))
    server = ThreadingHTTPServer((ports.HOST, int(sys.argv[1])), handler(receiver))
    server.serve_forever()


if __name__ == "__main__":
    main()
