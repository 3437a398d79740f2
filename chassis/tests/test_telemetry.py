"""The headers that continue a trace are W3C's, as the library would write them."""

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis import telemetry


@pytest.mark.parametrize("flags", [TraceFlags.SAMPLED, TraceFlags.DEFAULT])
@pytest.mark.parametrize("state", [None, TraceState([("vendor", "1"), ("other", "x")])])
def test_headers_are_those_of_the_librarys_propagator(flags: int, state: TraceState | None) -> None:
    span = SpanContext(
        0xAB, 0xCD, is_remote=False, trace_flags=TraceFlags(flags), trace_state=state
    )
    context = trace.set_span_in_context(NonRecordingSpan(span))
    expected: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(expected, context=context)
    assert telemetry.inject(context) == expected
    there = trace.get_current_span(telemetry.extract(expected)).get_span_context()
    assert (there.trace_id, there.span_id, there.trace_flags) == (0xAB, 0xCD, flags)


def test_outside_of_a_trace_there_are_none() -> None:
    assert telemetry.inject() == {}
