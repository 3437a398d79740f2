"""Every learner beside its scorer, on data of every shape and at the ends of every parameter: what
training scores, inference scores."""

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from scipy import sparse

from contracts.artefact import PROOF_TOLERANCE
from inference import scorers
from inference.scorers import Past
from inference.scorers.ranker import Ranker
from training import learners
from training.domain import search_space
from training.learners.profiles import profiles

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LEARNERS = sorted(search_space.PARAMETERS)
START = 1_700_000_000_000_000
#: Without parameters a hybrid searches for the best ones, which takes long and proves nothing more.
PLAIN: Mapping[str, Mapping[str, Any]] = {"hybrid": {"content": 0.2}}


def pairs(told: str, weights: Sequence[float] | None = None) -> learners.Interactions:
    """Return the interactions of "user,item user,item …", of unknown times."""
    users, items = zip(*(pair.split(",") for pair in told.split()), strict=True)
    return learners.Interactions.from_columns(users, items, weights)


def drawn(
    users: int,
    items: int,
    rows: int,
    *,
    weights: Sequence[float] = (1.0,),
    tail: bool = False,
) -> learners.Interactions:
    """Return interactions by chance, some of them repeated; with `tail`, few items have most."""
    draw = np.random.default_rng(rows)
    chosen = np.minimum(draw.zipf(1.3, rows) - 1, items - 1) if tail else None
    return learners.Interactions.from_columns(
        [f"u{user}" for user in draw.integers(0, users, rows)],
        [f"i{item}" for item in (draw.integers(0, items, rows) if chosen is None else chosen)],
        draw.choice(weights, rows),
        START + draw.integers(0, 10_000_000, rows) * 1_000_000,
    )


def everybody(
    users: int, items: int, *, weights: Sequence[float] = (1.0,), missing: float = 0.0
) -> learners.Interactions:
    """Return interactions of all users with all items, but for a share of `missing` ones."""
    draw = np.random.default_rng(users)
    cells = [(u, i) for u in range(users) for i in range(items) if draw.random() >= missing]
    return learners.Interactions.from_columns(
        [f"u{user}" for user, _item in cells],
        [f"i{item}" for _user, item in cells],
        draw.choice(weights, len(cells)),
        START + np.arange(len(cells)) * 1_000_000,
    )


DATA: Mapping[str, learners.Interactions] = {
    "an item that everybody likes": pairs("a,x a,y b,y c,x c,y c,z"),
    "one pair": pairs("a,x"),
    "one user": pairs("a,x a,y a,z"),
    "one item": pairs("a,x b,x c,x"),
    "nothing in common": pairs(" ".join(f"u{n},i{n}" for n in range(20))),
    "nothing liked": pairs("a,x b,y c,x", (0.0, -1.0, 0.0)),
    "one like": pairs("a,x b,y c,x", (0.0, -1.0, 1.0)),
    "dense and constant": everybody(12, 8),
    "dense": everybody(12, 8, weights=(0.1, 1.0, 2.0, 5.0)),
    "nearly dense": everybody(15, 10, missing=0.1),
    "long tail": drawn(200, 150, 450, tail=True),
    "negative, zero and repeated": drawn(40, 30, 400, weights=(-2.0, 0.0, 0.5, 1.0, 5.0)),
    "weights of any size": drawn(30, 20, 200, weights=(1e-30, 1e-6, 1.0, 1e4)),
    "longer than a history": everybody(4, 350, missing=0.05),
}
#: The data at which parameters are tried, chosen for what has set learner and scorer apart.
TRIED = ("an item that everybody likes", "nearly dense", "negative, zero and repeated", "one item")


def described(rows: learners.Interactions) -> learners.Items:
    """Return metadata of the items, and of two that nobody has touched."""
    ids = [*sorted(set(rows.items.to_pylist())), "new", "newer"]
    return learners.Items.from_documents(
        (item, {"genre": [f"g{n % 3}"], "year": 1950 + n, "title": f"tale {n % 5} of {item}"})
        for n, item in enumerate(ids)
    )


def learnt(
    name: str, parameters: Mapping[str, Any], rows: learners.Interactions
) -> learners.LearnedModel | None:
    """Return a model, None where the learner says why it learns none."""
    order = learners.LearningOrder(learner=name, parameters=parameters, measure=False)
    try:
        return learners.learn(order, rows, described(rows))
    except (learners.NothingLearnt, learners.OrderRefused):
        return None


def differences(model: learners.LearnedModel, folder: Path) -> list[str]:
    """Write a model, load it as inference does, and return where the two score unlike."""
    manifest = learners.write(model, folder, signer=KEY)
    scorer = scorers.load(folder, public_keys=[KEY.public_key()], expected_digest=manifest.digest)
    assert manifest.proof
    scorers.prove(scorer)
    ranker = cast(Ranker, scorer)
    users = [user for user, row in enumerate(model.matrix.liked) if row.nnz][:50]
    known = profiles(model.matrix, half_life=model.recipe.half_life)[users]
    asked = [scorer.trained_history(model.matrix.user_ids[user]) for user in users]
    return [
        *_unlike(ranker, asked, model.fitted.scores(known)),
        *_unlike(ranker, *_strangers(model)),
    ]


def _strangers(model: learners.LearnedModel) -> tuple[list[list[Past]], Any]:
    """Return histories of people whom the model has not seen, and training's scores of them."""
    draw = random.Random(1)
    items, half_life = model.matrix.item_ids, model.recipe.half_life
    rows, told = [], []
    for length in (1, 2, len(items)):
        chosen = draw.sample(range(len(items)), min(length, len(items), 50))
        weights = [draw.choice((0.5, 1.0, 5.0)) for _ in chosen]
        history = zip(chosen, weights, range(len(chosen)), strict=True)
        told.append([Past(items[at], weight, age) for at, weight, age in history])
        fading = np.exp2(-np.arange(len(chosen)) / half_life) if half_life else 1.0
        row = np.zeros(len(items))
        row[chosen] = np.array(weights) * fading
        rows.append(row)
    return told, model.fitted.scores(sparse.csr_matrix(np.array(rows)))


def _unlike(ranker: Ranker, asked: Sequence[Sequence[Past]], expected: Any) -> list[str]:
    found = []
    for history, theirs in zip(asked, expected, strict=True):
        read = ranker.read(history)
        mine = np.asarray(ranker.model.scores(read), dtype=np.float64)
        near = PROOF_TOLERANCE * max(1.0, float(np.abs(theirs).max()))
        apart = float(np.abs(mine - theirs).max())
        if not apart <= near:  # what is no number is apart, too
            found.append(f"scores of {history[:3]} … lie {apart} apart")
            continue
        ranking = ranker.recommend(history, k=len(theirs))
        ranked = theirs[ranking.positions]
        left = np.delete(theirs, np.union1d(read.seen, ranking.positions).astype(int))
        if (np.diff(ranked) > 2 * near).any() or (ranked.size and left.size):
            found.append(f"the ranking for {history[:3]} … is another")
    return found


#: More would only take longer.
_HIGHEST = {"n_components": 40, "train_epochs": 20, "n_iter": 100, "max_features": 1000}


def parameter_values(learner: str, parameter: search_space.Parameter) -> list[Any]:
    """Return the ends of what a parameter accepts, and of where tuning looks."""
    if parameter.type is bool:
        return [True, False]
    found: list[Any] = [None] if parameter.optional else []
    if parameter.choices:
        return [*found, *parameter.choices]
    highest = min(parameter.high, _HIGHEST.get(parameter.name, 1e6))
    found += [value for value in (parameter.low, highest) if math.isfinite(value)]
    searched = search_space.SEARCH.get(learner, {}).get(parameter.name)
    if isinstance(searched, search_space.Whole | search_space.Real):
        found += [searched.low, searched.high]
    return found


def one_at_a_time() -> list[tuple[str, Mapping[str, Any]]]:
    """Return each learner with each parameter at each of its ends."""
    return [
        (learner, {parameter.name: value})
        for learner in LEARNERS
        for parameter in search_space.PARAMETERS[learner]
        for value in parameter_values(learner, parameter)
    ]


def together(learner: str, *, count: int) -> list[Mapping[str, Any]]:
    """Return some of a learner's parameters at ends that a seeded draw chooses."""
    draw = random.Random(learner)
    return [
        {
            parameter.name: draw.choice(parameter_values(learner, parameter))
            for parameter in search_space.PARAMETERS[learner]
            if draw.random() < 0.6
        }
        for _ in range(count)
    ]


#: Who says no to what, so that none does so unnoticed.
FACTORISATIONS = {"IALSRecommender", "NMFRecommender", "TruncatedSVDRecommender"}
TOO_LITTLE = {"one pair", "one user", "one item", "one like"}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("learner", LEARNERS)
def test_inference_scores_as_training_does_on_any_data(
    learner: str, data: str, tmp_path: Path
) -> None:
    model = learnt(learner, PLAIN.get(learner, {}), DATA[data])
    refused = data == "nothing liked" or (learner in FACTORISATIONS and data in TOO_LITTLE)
    assert (model is None) is refused
    assert model is None or differences(model, tmp_path) == []


@pytest.mark.parametrize("data", TRIED)
@pytest.mark.parametrize(("learner", "parameters"), one_at_a_time())
def test_inference_scores_as_training_does_at_the_ends_of_each_parameter(
    learner: str, parameters: Mapping[str, Any], data: str, tmp_path: Path
) -> None:
    model = learnt(learner, parameters, DATA[data])
    assert model is None or differences(model, tmp_path) == []


@pytest.mark.parametrize("learner", LEARNERS)
def test_inference_scores_as_training_does_with_several_parameters_at_their_ends(
    learner: str, tmp_path: Path
) -> None:
    apart = {}
    for place, parameters in enumerate(together(learner, count=20)):
        rows = DATA[TRIED[place % len(TRIED)]]
        model = learnt(learner, parameters, rows)
        if model is not None:
            apart[str(parameters)] = differences(model, tmp_path / str(place))
    assert {told for told, found in apart.items() if found} == set()


@pytest.mark.parametrize("learner", LEARNERS)
def test_inference_scores_as_training_does_on_thousands_of_items(
    learner: str, tmp_path: Path
) -> None:
    rows = drawn(3000, 2000, 20_000, weights=(0.5, 1.0, 5.0), tail=True)
    model = learnt(learner, PLAIN.get(learner, {}), rows)
    assert model is not None
    assert differences(model, tmp_path) == []
