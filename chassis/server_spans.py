"""The span of a request where it must cost little: its context first, a record once it is over."""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from chassis import telemetry

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_DROPPED = TraceFlags(TraceFlags.DEFAULT)
_UNSET = Status(StatusCode.UNSET)
_FAILED = Status(StatusCode.ERROR)
_LOW = 2**64 - 1


class ServerSpan:
    """A request's span. An SDK span costs three times as much, and forwarding would feel it."""

    __slots__ = ("_parent", "_start_ns", "context", "name")

    def __init__(self, name: str, headers: Mapping[str, str], *, start_ns: int) -> None:
        """Continue the trace in the headers of a request, or start one."""
        self.name = name
        self._start_ns = start_ns
        parent = None
        if "traceparent" in headers:
            span = trace.get_current_span(telemetry.extract(headers))
            parent = span.get_span_context() if span.get_span_context().is_valid else None
        self._parent = parent
        trace_id = parent.trace_id if parent else random.getrandbits(128) or 1
        self.context = SpanContext(
            trace_id,
            random.getrandbits(64) or 1,
            is_remote=False,
            trace_flags=parent.trace_flags if parent else _flags(trace_id),
            trace_state=parent.trace_state if parent else None,
        )

    @property
    def traceparent(self) -> str:
        """Return the header that continues this span."""
        return telemetry.traceparent(self.context)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Be the present span inside the block."""
        token = context.attach(trace.set_span_in_context(NonRecordingSpan(self.context)))
        try:
            yield
        finally:
            context.detach(token)

    def end(self, attributes: Mapping[str, Any], *, failed: bool = False) -> None:
        """Record the span, if its trace is kept."""
        pipeline = telemetry.pipeline()
        if pipeline is None or not self.context.trace_flags.sampled:
            return
        pipeline.processor.on_end(
            ReadableSpan(
                self.name,
                context=self.context,
                parent=self._parent,
                resource=pipeline.resource,
                attributes=attributes,
                kind=SpanKind.SERVER,
                status=_FAILED if failed else _UNSET,
                start_time=self._start_ns,
                end_time=time.time_ns(),
            )
        )


def _flags(trace_id: int) -> TraceFlags:
    """Decide as the SDK's sampler would, so that every process decides alike."""
    pipeline = telemetry.pipeline()
    bound = pipeline.bound if pipeline else 0
    return _SAMPLED if trace_id & _LOW < bound else _DROPPED
