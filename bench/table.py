"""A table of results: Markdown that reads well on a terminal, too."""

import statistics
from collections.abc import Iterable, Sequence


def show(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; its first column holds names, the others figures."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    for line in (head, rule, *lines[1:]):
        first, *others = zip(line, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        print(f"| {' | '.join(cells)} |")
    print(flush=True)


def median(values: Iterable[float]) -> float:
    """Return the median of some rounds."""
    return statistics.median(values)


def ms(value: float) -> str:
    """Spell milliseconds."""
    return f"{value:,.1f} ms"


def rate(value: float) -> str:
    """Spell a number a second."""
    return f"{value:,.0f}/s"


def ratio(value: float) -> str:
    """Spell a quotient."""
    return f"{value:.2f}"


def aim(what: str, value: str, *, met: bool) -> None:
    """Say whether something that is wanted is so."""
    print(f"{what}: {value}, {'met' if met else 'not met'}.\n", flush=True)
