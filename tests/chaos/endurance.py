"""One fault from the first blow until the books agree, and the table of all that was endured."""

import os
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

from tests.chaos.books import Findings, findings
from tests.chaos.faults import SEED, Fault
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
UNKNOWN = "?"
HEAD = (
    "profile",
    "fault",
    "requests sent",
    "failed",
    "lost",
    "doubled",
    "time to recover",
    "longest answer",
    "books agree after",
    "all as promised",
)


@dataclass
class Line:
    """What a fault did; what is not known yet stays so when something breaks."""

    profile: str
    fault: str
    sent: int | str = UNKNOWN
    failed: int | str = UNKNOWN
    lost: int | str = UNKNOWN
    doubled: int | str = UNKNOWN
    recovery: str = UNKNOWN
    longest: str = UNKNOWN
    books: str = UNKNOWN
    promised: str = "**no**"


@dataclass
class Table:
    """All faults that were endured."""

    lines: list[Line] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the table in Markdown."""
        rows = [HEAD, tuple("---" for _ in HEAD), *(astuple(line) for line in self.lines)]
        table = "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)
        return f"{table}\n\nMoments were drawn with MILLRACE_CHAOS_SEED={SEED}.\n"

    def add(self, line: Line) -> None:
        """Add a line, also to the file that MILLRACE_CHAOS_REPORT names, if it does."""
        self.lines.append(line)
        if target := os.environ.get("MILLRACE_CHAOS_REPORT"):
            Path(target).write_text(str(self), encoding="utf-8")


def endure(stage: Stage, fault: Fault, *, profile: str, table: Table) -> None:
    """Strike under load, wait until everything answers again, and compare the books."""
    line = Line(profile, fault.name)
    try:
        calls = _struck(stage, fault, line)
        found = _settled(stage, line)
        assert not found.sentences, found.sentences
        assert not (unfair := _unfair(calls, fault)), f"{len(unfair)}: {unfair[:5]}"
        line.promised = "yes"
    finally:
        table.add(line)


def _struck(stage: Stage, fault: Fault, line: Line) -> list[Call]:
    """Strike, wait until everything answers again, and return the calls since the first blow."""
    load = stage.load
    load.resume()
    struck = began = time.monotonic()
    try:
        until(lambda: load.answers_again(began), within=RECOVERY)
        load.hurry()
        struck = time.monotonic()
        healed = fault.strike(stage) or time.monotonic()
        until(lambda: load.answers_again(healed) and stage.is_whole(), within=RECOVERY)
        hold(AFTERMATH)
        line.recovery = _seconds(_recovered(load.since(struck), healed))
    finally:
        load.rest()
        calls = load.since(struck)
        line.sent = len(calls)
        line.failed = sum(not call.succeeded for call in calls)
        line.longest = _seconds(max((call.ended - call.began for call in calls), default=0.0))
    return calls


def _settled(stage: Stage, line: Line) -> Findings:
    """Return what is still wrong when all that is under way should have arrived."""
    rested = time.monotonic()
    while True:
        found = findings(stage.shelves, stage.load, may_give_up=stage.may_give_up)
        line.lost, line.doubled = found.lost, found.doubled
        took = time.monotonic() - rested
        if not found.sentences:
            line.books = _seconds(took)
        if not found.sentences or took > SETTLEMENT:
            return found


def _seconds(number: float) -> str:
    return f"{number:.1f} s"


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
