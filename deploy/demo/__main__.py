"""`make demo`: data in, models trained, weights swapped while serving, an A/B verdict, a bill."""

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from demo import folder, layouts, shop
from demo.client import BackEnd, Unexpected
from demo.dataset import Dataset, Split, TooSmall, refuse_small, split_by_time
from demo.layouts import Columns
from demo.stack import Stack, StackFailed
from demo.stage import Stage
from demo.story import bill, data, experiment, held_out, models, recommendations, swap

#: Fewer make no A/B test worth the name.
_FEWEST_CUSTOMERS = 20


def main() -> int:
    """Run the demo and return its exit status."""
    chosen = _arguments()
    console = Console(width=max(100, Console().width))
    try:
        dataset = _dataset(chosen)
        split = split_by_time(dataset.interactions)
        refuse_small(dataset, split)
        with folder.empty(chosen.home) as home:
            asyncio.run(_perform(dataset, split, home, console, chosen.keep))
    except (layouts.UnknownLayout, TooSmall, folder.FolderTaken) as error:
        console.print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)
        return 2
    except (Unexpected, StackFailed) as error:
        stopped = f"The demo stopped: {escape(str(error))}"
        console.print(f"[red]{stopped}[/red]", highlight=False, soft_wrap=True)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Interrupted; the stack has stopped.", highlight=False)
        return 130
    return 0


async def _perform(
    dataset: Dataset, split: Split, home: Path, console: Console, keep: bool
) -> None:
    _end_with_a_signal()
    started = time.perf_counter()
    console.print(f"Starting Millrace in {home} …", highlight=False)
    async with Stack.planned(home) as stack:
        console.print(f"ready after {time.perf_counter() - started:.1f} s", highlight=False)
        back_end = BackEnd(stack.url)
        stage = Stage(stack, back_end, dataset, split, console)
        try:
            await _tell(stage)
        finally:
            await back_end.close()
        console.print(f"\nAll of it took {time.perf_counter() - started:.0f} s.", highlight=False)
        _where_next(stage, keep)
        if keep:
            console.print("The stack stays up; Ctrl-C stops it.", highlight=False)
            await stack.wait()


def _end_with_a_signal() -> None:
    """Let SIGTERM and a closed terminal stop the stack as Ctrl-C does."""
    performance = asyncio.current_task()
    assert performance is not None  # noqa: S101 - this runs in one
    for each in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, performance.cancel)


async def _tell(stage: Stage) -> None:
    users = len(stage.dataset.users)
    with stage.chapter(f"1. A tenant, and data: {stage.dataset.name}, {users:,} users"):
        await stage.back_end.found()
        await data.load(stage)
    with stage.chapter("2. Models: two trained on order, two that train by themselves"):
        await models.train(stage)
    with stage.chapter("3. Recommendations, with reasons"):
        await recommendations.show(stage)
    with stage.chapter("4. A purchase changes the next answer"):
        await recommendations.buy(stage)
    with stage.chapter("5. Retrain and swap while clients keep calling"):
        await swap.swap(stage)
    with stage.chapter("6. An A/B test: popular against personal"):
        await experiment.run(stage)
    if not stage.dataset.tastes:
        with stage.chapter("7. Quality on each user's held-out last fifth"):
            await held_out.measure(stage)
    with stage.chapter("What it used and what it costs"):
        await bill.show(stage)


def _where_next(stage: Stage, keep: bool) -> None:
    console = stage.console
    console.print("\n[bold]Where to look next[/bold]", highlight=False)
    home = stage.stack.home
    again = f"MILLRACE_HOME={home} make"
    if not keep:
        console.print(f"  (what has an address, once `{again} up` runs it)", highlight=False)
    for label, place in (
        ("API documentation", f"{stage.stack.url}/api/v1/schema/swagger-ui/"),
        ("health", f"{stage.stack.url}/health"),
        ("the purchase's trace", f"{again} trace id={stage.trace_id}"),
        ("processes and lag", f"{again} status"),
        ("logs", str(home / "logs")),
    ):
        console.print(f"  {label:<22}{place}", highlight=False, soft_wrap=True)


def _dataset(chosen: argparse.Namespace) -> Dataset:
    if chosen.data is None:
        return shop.make_shop(users=chosen.customers)
    return layouts.read(chosen.data, Columns(chosen.user, chosen.item, chosen.time))


def _customers(text: str) -> int:
    if not text.isdecimal() or not (number := int(text)) >= _FEWEST_CUSTOMERS:
        raise argparse.ArgumentTypeError(f"{text} is no number from {_FEWEST_CUSTOMERS} up")
    return number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder or file of real interactions")
    parser.add_argument("--user", help="its column of users")
    parser.add_argument("--item", help="its column of items")
    parser.add_argument("--time", help="its column of times")
    parser.add_argument(
        "--customers",
        type=_customers,
        default=600,
        metavar="N",
        help="how many the generated shop has (default: %(default)s)",
    )
    parser.add_argument("--home", type=Path, help="data folder of an earlier demo, emptied first")
    parser.add_argument(
        "--keep",
        action=argparse.BooleanOptionalAction,
        default=sys.stdout.isatty(),
        help="keep the stack up at the end (default: only on a terminal)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
