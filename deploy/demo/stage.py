"""What the chapters of the demo share: the tenant, the data, and a place to speak."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

from demo.client import BackEnd
from demo.dataset import Dataset, Split
from demo.stack import Stack


@dataclass
class Stage:
    """One performance."""

    stack: Stack
    back_end: BackEnd
    dataset: Dataset
    split: Split
    console: Console
    dice: random.Random = field(default_factory=lambda: random.Random(11))  # noqa: S311
    #: Model ids by name, slot ids by name.
    models: dict[str, int] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)
    #: A trace that runs from an HTTP call to its last effect.
    trace_id: str = ""

    def say(self, text: str) -> None:
        """Tell one fact."""
        self.console.print(f"  {text}", highlight=False, soft_wrap=True)

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """Announce a chapter and how long it took."""
        self.console.print(f"\n[bold]{escape(title)}[/bold]", highlight=False)
        started = time.perf_counter()
        yield
        self.console.print(f"  [dim]{time.perf_counter() - started:.1f} s[/dim]", highlight=False)
