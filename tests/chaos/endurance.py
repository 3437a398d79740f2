"""One fault from the first blow until the books agree, and the table of all that was endured."""

import os
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

from tests.chaos.books import Findings, findings
from tests.chaos.faults import Fault
from tests.chaos.load import STREAMED, Call
from tests.chaos.stage import Stage, hold
from tests.running import until

#: Seconds in which the gateway answers whatever happens behind it, and what a busy machine adds.
DEADLINE = 10.0
MARGIN = 4.0
RECOVERY = 120.0
SETTLEMENT = 90.0
#: Seconds that the load goes on: what seems to have done nothing may show late.
AFTERMATH = 3.0
HEAD = (
    "profile",
    "fault",
    "sent",
    "failed",
    "lost",
    "doubled",
    "longest answer",
    "answers again after",
    "books agree after",
)


@dataclass(frozen=True, slots=True)
class Line:
    """What a fault did."""

    profile: str
    fault: str
    sent: int
    failed: int
    lost: int
    doubled: int
    longest: str
    answers: str
    books: str


@dataclass
class Table:
    """All faults that were endured."""

    lines: list[Line] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the table in Markdown."""
        rows = [HEAD, tuple("---" for _ in HEAD), *(astuple(line) for line in self.lines)]
        return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows) + "\n"

    def add(self, line: Line) -> None:
        """Add a line, also to the file that MILLRACE_CHAOS_REPORT names, if it does."""
        self.lines.append(line)
        if target := os.environ.get("MILLRACE_CHAOS_REPORT"):
            Path(target).write_text(str(self), encoding="utf-8")


def endure(stage: Stage, fault: Fault, *, profile: str, table: Table) -> None:
    """Strike under load, wait until everything answers again, and compare the books."""
    load = stage.load
    load.resume()
    try:
        struck, healed = _strike(stage, fault)
    finally:
        load.rest()
    calls = load.since(struck)
    rested = time.monotonic()
    found = _settled(stage)
    table.add(
        Line(
            profile=profile,
            fault=fault.name,
            sent=len(calls),
            failed=sum(not call.succeeded for call in calls),
            lost=found.lost,
            doubled=found.doubled,
            longest=f"{max(call.ended - call.began for call in calls):.1f} s",
            answers=f"{_recovered(calls, healed):.1f} s",
            books=f"{time.monotonic() - rested:.1f} s",
        )
    )
    assert not found.sentences, found.sentences
    assert not (unfair := _unfair(calls, fault)), f"{len(unfair)}: {unfair[:5]}"


def _strike(stage: Stage, fault: Fault) -> tuple[float, float]:
    """Strike and wait until everything answers again; return when it began and was over."""
    load, began = stage.load, time.monotonic()
    until(lambda: load.answers_again(began), within=RECOVERY)
    load.hurry()
    struck = time.monotonic()
    fault.strike(stage)
    healed = time.monotonic()
    until(lambda: load.answers_again(healed) and stage.is_whole(), within=RECOVERY)
    hold(AFTERMATH)
    return struck, healed


def _settled(stage: Stage) -> Findings:
    """Return what is still wrong when all that is under way should have arrived."""
    deadline = time.monotonic() + SETTLEMENT
    while True:
        found = findings(stage.shelves, stage.load)
        if not found.sentences or time.monotonic() > deadline:
            return found


def _recovered(calls: Sequence[Call], healed: float) -> float:
    """Return after how many seconds the last kind of call that had failed succeeded again."""
    moments = [healed]
    for kind in {call.kind for call in calls if not call.succeeded}:
        ended = [(call.ended, call.succeeded) for call in calls if call.kind == kind]
        last = max(moment for moment, succeeded in ended if not succeeded)
        moments.append(min((m for m, succeeded in ended if succeeded and m > last), default=last))
    return max(moments) - healed


def _unfair(calls: Sequence[Call], fault: Fault) -> list[Call]:
    """Return the calls that were treated otherwise than promised.

    Who cannot be served is told when to ask again, within the deadline. Only where the gateway
    itself is away may a call find nobody.
    """
    limit = DEADLINE + MARGIN + fault.gateway_stalls
    return [
        call
        for call in calls
        if call.kind != STREAMED
        and (
            call.ended - call.began > limit
            or (fault.unseen and not call.succeeded)
            or not (call.is_honest or (call.status is None and fault.gateway_falls))
        )
    ]
