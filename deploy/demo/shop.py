"""A made-up shop with planted tastes: skewed popularity, sessions, and items nobody has met yet."""

import math
import random
from datetime import UTC, datetime, timedelta

from demo.dataset import Dataset, Interaction

CATEGORIES: dict[str, tuple[str, ...]] = {
    "coffee": ("Espresso Cup", "Hand Grinder", "Pour-Over Kettle", "Bean Canister", "Milk Jug"),
    "running": ("Trail Shoe", "Wind Jacket", "Water Vest", "Merino Sock", "Headlamp"),
    "garden": ("Pruning Saw", "Seed Tray", "Watering Can", "Compost Bin", "Trellis"),
    "books": ("Crime Novel", "Field Guide", "Poetry Collection", "Travelogue", "Cookbook"),
    "music": ("Turntable", "Guitar Strap", "Headphones", "Metronome", "Sheet Music Stand"),
    "desk": ("Fountain Pen", "Task Lamp", "Notebook", "Monitor Arm", "Cable Box"),
}
MAKERS = ("Aldgate", "Birch & Lane", "Corvo", "Drift", "Ember", "Fjord", "Gable", "Hollow")
COLOURS = ("black", "oak", "sand", "slate", "copper", "moss", "cobalt", "cream")
_START = datetime(2026, 1, 1, tzinfo=UTC)


def make_shop(
    *, seed: int = 7, users: int = 600, items: int = 360, cold: int = 20, sessions: int = 5
) -> Dataset:
    """Return a shop; the same arguments give the same shop.

    Each user loves one category, likes a second and hardly looks at the others. A session stays
    mostly in one category. Popularity within a category falls off as 1/rank. The last `cold` items
    are never met.
    """
    dice = random.Random(seed)  # noqa: S311 - a reproducible shop, not a secret
    catalogue = _catalogue(dice, items)
    shelves = _shelves(catalogue, cold)
    tastes = {f"customer-{n:04d}": _taste(dice) for n in range(1, users + 1)}
    interactions: list[Interaction] = []
    for user, taste in tastes.items():
        for number in range(max(2, round(dice.gauss(sessions, 2)))):
            interactions += _session(dice, user, taste, shelves, number)
    interactions.sort(key=lambda each: each.at)
    return Dataset("a generated shop", catalogue, interactions, tastes)


def _catalogue(dice: random.Random, size: int) -> dict[str, dict[str, str]]:
    names = list(CATEGORIES)
    catalogue = {}
    for number in range(1, size + 1):
        category = names[number % len(names)]
        noun = dice.choice(CATEGORIES[category])
        colour = dice.choice(COLOURS)
        catalogue[f"sku-{number:04d}"] = {
            "title": f"{dice.choice(MAKERS)} {noun} {number} ({colour})",
            "category": category,
            "colour": colour,
            "price": f"{dice.lognormvariate(3.3, 0.6):.2f}",
        }
    return catalogue


def _shelves(catalogue: dict[str, dict[str, str]], cold: int) -> dict[str, list[str]]:
    warm = list(catalogue)[: len(catalogue) - cold]
    return {
        name: [item for item in warm if catalogue[item]["category"] == name] for name in CATEGORIES
    }


def _taste(dice: random.Random) -> dict[str, float]:
    loved, liked = dice.sample(list(CATEGORIES), 2)
    return {name: {loved: 1.0, liked: 0.5}.get(name, 0.05) for name in CATEGORIES}


def _session(
    dice: random.Random,
    user: str,
    taste: dict[str, float],
    shelves: dict[str, list[str]],
    number: int,
) -> list[Interaction]:
    at = _START + timedelta(days=dice.uniform(0, 90))
    category = dice.choices(list(taste), weights=list(taste.values()))[0]
    met: list[Interaction] = []
    for _step in range(1 + int(dice.expovariate(0.25))):
        wanders = dice.random() < 0.1
        shelf = shelves[dice.choice(list(shelves)) if wanders else category]
        rank = min(len(shelf) - 1, int(math.exp(dice.uniform(0, math.log(len(shelf))))) - 1)
        affinity = 0.05 if wanders else taste[category]
        at += timedelta(seconds=dice.uniform(5, 120))
        kind = _reaction(dice, affinity)
        met.append(Interaction(user, shelf[rank], kind, at, session=f"{user}-{number}"))
    return met


def _reaction(dice: random.Random, affinity: float) -> str:
    roll = dice.random() / (0.25 + affinity)
    if roll < 0.05:
        return "purchase"
    if roll < 0.15:
        return "like"
    return "click" if roll < 0.45 else "view"
