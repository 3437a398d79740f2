"""What the demo tells its story with: items that have titles, and who did what with them when."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Interaction:
    """Somebody did something with an item; `kind` is one of view, click, like, purchase."""

    user: str
    item: str
    kind: str
    at: datetime
    value: float | None = None
    session: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A catalogue and what happened, oldest first."""

    name: str
    items: Mapping[str, Mapping[str, str]]
    interactions: Sequence[Interaction]
    #: Where it was planted: each user's affinity to each category, 0 to 1.
    tastes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def title(self, item: str) -> str:
        """Return what a person would call an item."""
        return self.items.get(item, {}).get("title", item)

    @property
    def users(self) -> list[str]:
        """Return all users, the most active first."""
        counts = Counter(each.user for each in self.interactions)
        return [user for user, _count in counts.most_common()]


@dataclass(frozen=True)
class Split:
    """A per-user split by time: the last share of each user's items is held out."""

    train: list[Interaction]
    held_out: dict[str, set[str]]


def split_by_time(interactions: Sequence[Interaction], *, share: float = 0.2) -> Split:
    """Hold out the newest `share` of each user's distinct items; ties in time keep their order.

    An item that a user met before the cut is never held out for that user.
    """
    histories: dict[str, list[Interaction]] = defaultdict(list)
    for each in sorted(interactions, key=lambda one: one.at):
        histories[each.user].append(each)
    train: list[Interaction] = []
    held_out: dict[str, set[str]] = {}
    for user, history in histories.items():
        first_met = list(dict.fromkeys(each.item for each in history))
        later = set(first_met[len(first_met) - int(len(first_met) * share) :])
        train += [each for each in history if each.item not in later]
        if later:
            held_out[user] = later
    train.sort(key=lambda one: one.at)
    return Split(train, held_out)


class TooSmall(ValueError):
    """There is too little data to tell the story with; the message says what is missing."""


def refuse_small(dataset: Dataset, split: Split) -> None:
    """Refuse data that nothing can be learnt from or tested on.

    Raises:
        TooSmall: it is.
    """
    users = len(dataset.users)
    items = len({each.item for each in dataset.interactions})
    if users < 2 or items < 2:
        raise TooSmall(
            f"{dataset.name} has {users} user(s) and {items} item(s) that somebody met; "
            "learning needs two of each at the least."
        )
    if not split.held_out:
        raise TooSmall(
            f"Nobody in {dataset.name} met five different items, so no newest fifth of a user's "
            "items can be held out to test on."
        )


def moment(text: str) -> datetime:
    """Read a time: ISO 8601, or epoch seconds or milliseconds.

    Raises:
        ValueError: the text is neither.
    """
    try:
        number = float(text)
    except ValueError:
        parsed = datetime.fromisoformat(text)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, tz=UTC)
