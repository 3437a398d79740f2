"""How well Millrace recommends: NDCG@10 and recall@10 beside popularity, on the newest 20 % per
user.

`python -m bench.quality [folder]` reads MovieLens 100K as RecBole keeps it (ml-100k.inter and, for
item metadata, ml-100k.item) from the folder or from MILLRACE_ML100K. Each model is learnt by
training on the older 80 %, written, signed, loaded and proved by inference, which then answers for
every user.
"""

import csv
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CUTOFF = 10
HELD_OUT = 0.2

#: Name in the table → learner and parameters; irspack's own defaults stand beside ours.
CONTESTANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "popularity": ("TopPopRecommender", {}),
    "IALS, irspack's defaults": (
        "IALSRecommender",
        {"n_components": 20, "alpha0": 0.0, "reg": 0.001, "solver_type": "CG"},
    ),
    "IALS": ("IALSRecommender", {}),
    "CosineKNN": ("CosineKNNRecommender", {}),
    "DenseSLIM (EASE)": ("DenseSLIMRecommender", {}),
    "session": ("session", {}),
    "collaborative": ("collaborative", {}),
    "hybrid": ("hybrid", {}),
}


@dataclass(frozen=True)
class Rating:
    """One line of the data."""

    user: str
    item: str
    moment: int


def main(arguments: Sequence[str]) -> None:
    """Print one line per contestant."""
    folder = Path(arguments[0] if arguments else os.environ["MILLRACE_ML100K"])
    train, test = split(list(ratings(folder / "ml-100k.inter")))
    print(f"{len(train)} interactions to learn from, {len(test)} users to guess for\n")
    print(f"{'':26}{'NDCG@10':>9}{'recall@10':>11}{'learning':>10}{'answering':>11}")
    for name, (learner, parameters) in CONTESTANTS.items():
        ndcg, recall, learning, answering = contest(learner, parameters, train, test, folder)
        times = f"{learning:>8.1f} s{answering * 1e6:>8.0f} µs"
        print(f"{name:26}{ndcg:>9.4f}{recall:>11.4f}{times}", flush=True)


def ratings(path: Path) -> Iterator[Rating]:
    """Read a RecBole interaction file."""
    with path.open(newline="") as lines:
        for line in csv.DictReader(lines, delimiter="\t"):
            yield Rating(
                line["user_id:token"], line["item_id:token"], int(float(line["timestamp:float"]))
            )


def split(known: Sequence[Rating]) -> tuple[list[Rating], Mapping[str, set[str]]]:
    """Return the older part, and the items of each user's newest part."""
    by_user: dict[str, list[Rating]] = defaultdict(list)
    for rating in known:
        by_user[rating.user].append(rating)
    train: list[Rating] = []
    test: dict[str, set[str]] = {}
    for user, rated in by_user.items():
        rated.sort(key=lambda rating: rating.moment)
        kept = len(rated) - math.ceil(len(rated) * HELD_OUT)
        train += rated[:kept]
        test[user] = {rating.item for rating in rated[kept:]}
    return train, test


def contest(
    learner: str,
    parameters: Mapping[str, Any],
    train: Sequence[Rating],
    test: Mapping[str, set[str]],
    folder: Path,
) -> tuple[float, float, float, float]:
    """Return NDCG, recall, seconds to learn and seconds per answer."""
    from training import learners  # After the threads are set.

    interactions = learners.Interactions.from_columns(
        [rating.user for rating in train],
        [rating.item for rating in train],
        times=[rating.moment * 1_000_000 for rating in train],
    )
    order = learners.LearningOrder(
        learner=learner, parameters=parameters, evaluation=learners.Evaluation(cutoff=CUTOFF)
    )
    key = Ed25519PrivateKey.generate()
    started = time.perf_counter()
    model = learners.learn(order, interactions, items(folder / "ml-100k.item"))
    learning = time.perf_counter() - started
    with TemporaryDirectory() as artefact:
        learners.write(model, Path(artefact), signer=key)
        ndcg, recall, answering = answered(Path(artefact), key, test)
    return ndcg, recall, learning, answering


def items(path: Path) -> Any:
    """Read a RecBole item file, None where there is none."""
    from training import learners

    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as lines:
        return learners.Items.from_documents(
            (
                line["item_id:token"],
                {
                    "title": line["movie_title:token_seq"],
                    "year": year(line["release_year:token"]),
                    "genres": line["class:token_seq"].split(),
                },
            )
            for line in csv.DictReader(lines, delimiter="\t")
        )


def year(told: str) -> int | None:
    """Return the year, None where the file does not know it."""
    return int(told) if told.isdigit() else None


def answered(
    artefact: Path, key: Ed25519PrivateKey, test: Mapping[str, set[str]]
) -> tuple[float, float, float]:
    """Return mean NDCG and recall of what inference answers, and the seconds of one answer."""
    from inference import scorers

    scorer = scorers.load(artefact, public_keys=[key.public_key()])
    scorers.prove(scorer)
    histories = {user: scorer.trained_history(user) for user in test}
    started = time.perf_counter()
    told = {user: scorer.recommend(past, k=CUTOFF).items for user, past in histories.items()}
    seconds = (time.perf_counter() - started) / len(told)
    figures = [judged(told[user], wanted) for user, wanted in test.items()]
    ndcg, recall = (sum(column) / len(figures) for column in zip(*figures, strict=True))
    return ndcg, recall, seconds


def judged(ranking: Sequence[str], wanted: set[str]) -> tuple[float, float]:
    """Return NDCG and recall of one ranking."""
    gains = [1 / math.log2(rank + 2) for rank in range(CUTOFF)]
    found = [item in wanted for item in ranking]
    ideal = sum(gains[: len(wanted)])
    gained = sum(gain for gain, hit in zip(gains, found, strict=False) if hit)
    return gained / ideal, sum(found) / len(wanted)


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    main(sys.argv[1:])
