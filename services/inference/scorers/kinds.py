"""From a manifest's kind and arrays to the model that scores them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.artefact import Manifest
from inference.scorers.arrays import Array, Floats, Misshapen, Rows, taken
from inference.scorers.content import Content
from inference.scorers.factors import Factors, ImplicitFactors, LinearFactors, NonNegativeFactors
from inference.scorers.hybrid import Hybrid, Member
from inference.scorers.model import Model
from inference.scorers.names import Names
from inference.scorers.neighbours import UserNeighbours
from inference.scorers.people import People
from inference.scorers.popularity import Popularity
from inference.scorers.ranker import Ranker
from inference.scorers.similarity import DenseSimilarity, SparseSimilarity

Arrays = Mapping[str, Array]
Details = Mapping[str, Any]


@dataclass(frozen=True)
class _Parts:
    """What a model is built from: its own arrays and details, and what all models share."""

    arrays: Arrays
    details: Details
    n_items: int
    popularity: Floats
    seen: Rows

    def of(self, arrays: Arrays, details: Details) -> "_Parts":
        return _Parts(arrays, details, self.n_items, self.popularity, self.seen)


def ranker(manifest: Manifest, arrays: Arrays) -> Ranker:
    """Return the scorer of a recommender artefact; Misshapen where arrays do not fit the kind."""
    item_ids = tuple(Names.of(arrays, "items"))
    place = {item_id: position for position, item_id in enumerate(item_ids)}
    if len(place) != len(item_ids):
        raise Misshapen("an item id stands twice")
    people = People.of(arrays, n_items=len(item_ids), newest_at=manifest.details.get("newest_at"))
    popularity = taken(arrays, "popularity", np.float32)
    if popularity.size != len(item_ids):
        raise Misshapen("popularity and items differ in number")
    parts = _Parts(
        arrays=_below(arrays, "model"),
        details=manifest.details.get("model", {}),
        n_items=len(item_ids),
        popularity=popularity,
        seen=people.seen,
    )
    return Ranker(
        manifest=manifest,
        item_ids=item_ids,
        place=place,
        popularity=popularity,
        people=people,
        model=_model(manifest.kind, parts),
    )


def _model(kind: str, parts: _Parts) -> Model:
    build = _BUILDERS.get(kind)
    if build is None:
        raise Misshapen(f"kind {kind!r} is unknown here")
    try:
        return build(parts)
    except (KeyError, TypeError) as absent:
        raise Misshapen(f"details of a {kind} model: {absent!r}") from absent


def _below(arrays: Arrays, name: str) -> Arrays:
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
    }


def _sparse(parts: _Parts) -> Model:
    indptr = taken(parts.arrays, "similarity.indptr", np.int64)
    warm = indptr.size - 1
    rows = Rows.of(parts.arrays, "similarity", width=warm)
    _fits(warm, parts)
    return SparseSimilarity(rows, parts.n_items)


def _dense(parts: _Parts) -> Model:
    weights = taken(parts.arrays, "weights", np.float32, ndim=2)
    if weights.shape[0] != weights.shape[1]:
        raise Misshapen("weights are not square")
    _fits(weights.shape[0], parts)
    return DenseSimilarity(weights, parts.n_items)


def _factors(kind: type[Factors], needed: tuple[str, ...]) -> Callable[[_Parts], Model]:
    def build(parts: _Parts) -> Model:
        factors = taken(parts.arrays, "factors", np.float32, ndim=2)
        _fits(factors.shape[0], parts)
        details = {name: parts.details[name] for name in needed}
        return kind(factors, parts.n_items, details)  # type: ignore[return-value]

    return build


def _user_neighbours(parts: _Parts) -> Model:
    told = parts.details
    _fits(told["warm"], parts)
    plain, weighted = (
        Rows.of(parts.arrays, "users", width=told["warm"], data=f"users.{cells}")
        for cells in ("plain", "weighted")
    )
    return UserNeighbours(
        plain=plain,
        weighted=weighted,
        n_items=parts.n_items,
        shrinkage=float(told["shrinkage"]),
        alpha=told["alpha"],
        top_k=int(told["top_k"]),
    )


def _popularity(parts: _Parts) -> Model:
    return Popularity(parts.popularity, parts.seen)


def _content(parts: _Parts) -> Model:
    features = Rows.of(parts.arrays, "features", width=parts.details["features"])
    if features.count != parts.n_items:
        raise Misshapen("features and items differ in number")
    return Content(features, _feature_names(parts.arrays, features.width))


def _feature_names(arrays: Arrays, count: int) -> Names | None:
    if "features.bytes" not in arrays:
        return None
    names = Names.of(arrays, "features")
    if len(names) != count:
        raise Misshapen("features and their names differ in number")
    return names


def _hybrid(parts: _Parts) -> Model:
    members = tuple(
        Member(
            told["name"],
            float(told["weight"]),
            _model(told["kind"], parts.of(_below(parts.arrays, told["name"]), told["details"])),
        )
        for told in parts.details["members"]
    )
    return Hybrid(members, parts.n_items)


def _fits(warm: int, parts: _Parts) -> None:
    if not 0 <= warm <= parts.n_items:
        raise Misshapen("the model and the items differ in number")


_BUILDERS: Mapping[str, Callable[[_Parts], Model]] = {
    "item-similarity": _sparse,
    "item-weights": _dense,
    "implicit-factors": _factors(
        ImplicitFactors, ("alpha0", "reg", "nu", "n_items", "epsilon", "original")
    ),
    "linear-factors": _factors(LinearFactors, ()),
    "non-negative-factors": _factors(NonNegativeFactors, ("l1", "l2")),
    "user-neighbours": _user_neighbours,
    "popularity": _popularity,
    "content": _content,
    "hybrid": _hybrid,
}
