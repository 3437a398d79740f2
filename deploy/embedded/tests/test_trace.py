"""A trace, printed from span files."""

import json
from pathlib import Path

import pytest

from embedded.failure import Failure
from embedded.home import Home
from embedded.trace import Span, read, trace, tree

TRACE = "0af7651916cd43dd8448eb211c80319c"


def line(
    span_id: str,
    parent_id: str | None,
    *,
    service: str = "gateway",
    at: int = 0,
    status: str = "ok",
) -> dict[str, object]:
    return {
        "trace_id": TRACE,
        "span_id": span_id,
        "parent_id": parent_id,
        "name": f"does {span_id}",
        "service": service,
        "kind": "server",
        "start_ns": at * 1_000_000,
        "end_ns": (at + 5) * 1_000_000,
        "status": status,
        "attributes": {},
    }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.traces.mkdir()
    return home


def write(home: Home, service: str, *lines: dict[str, object], torn: str = "") -> None:
    text = "".join(json.dumps(each) + "\n" for each in lines) + torn
    (home.traces / f"{service}.jsonl").write_text(text)


def shape(*lines: dict[str, object]) -> list[str]:
    return [each.split("  does")[0] for each in tree([Span.from_line(each) for each in lines])]


def test_children_hang_below_their_parents_in_order_of_time() -> None:
    lines = (
        line("c", "a", service="billing", at=9),
        line("a", None),
        line("b", "a", service="catalog", at=3),
        line("d", "b", service="inference", at=4),
    )
    assert shape(*lines) == ["gateway", "├─ catalog", "│  └─ inference", "└─ billing"]


def test_a_span_whose_parent_nobody_wrote_is_a_root() -> None:
    assert shape(line("a", "the client's")) == ["gateway"]


def test_durations_offsets_and_failures_are_shown() -> None:
    (shown,) = tree([Span.from_line(line("a", None, at=7, status="error"))])
    assert shown.split() == ["gateway", "does", "a", "5.0", "ms", "at", "+0.0", "ms", "FAILED"]


def test_a_trace_is_gathered_from_all_services(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, "gateway", line("a", None), line("x", None) | {"trace_id": "f" * 32})
    write(home, "catalog", line("b", "a", service="catalog", at=2))
    trace(home, TRACE)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"trace {TRACE}: 2 spans, 2 services, 7.0 ms"
    assert len(printed) == 3


def test_a_half_written_last_line_is_left_out(home: Home) -> None:
    write(home, "gateway", line("a", None), torn=f'{{"trace_id": "{TRACE}", "sp')
    assert [span.span_id for span in read(home, TRACE)] == ["a"]


def test_an_unknown_trace_is_said_to_be_unknown(home: Home) -> None:
    with pytest.raises(Failure, match="No span of trace"):
        trace(home, TRACE)
