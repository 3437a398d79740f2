"""Items that are alike by what is said of them, so that a new item can be recommended on its first
day.

Literature: Salton & Buckley 1988 (TF-IDF); Pazzani & Billsus 2007 (content-based profiles). Text
becomes TF-IDF, categories one-hot with the same weighting, numbers soft bins between quantiles;
blocks are normalised and weighed against each other, so that a long description cannot drown a
category.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer
from sklearn.preprocessing import normalize

from training.learners.arrays import Array, Csr, Doubles
from training.learners.items import Field, Items, reading
from training.learners.matrix import Matrix
from training.learners.names import named
from training.learners.orders import NothingLearnt

_KNOTS = 6
#: Characters of a feature's name: it is read by people, in a sentence.
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Block:
    """Some features, one a column of `cells` (items, features), as people call them."""

    cells: Csr
    names: Sequence[str]


@dataclass(frozen=True)
class Content:
    """`features` is csr float32 (items, features), rows of length 1 (or empty): score = (h F)
    Fᵀ. `names` are what people call the features."""

    features: Csr
    names: Sequence[str]
    kind = "content"

    @property
    def arrays(self) -> Mapping[str, Array]:
        return {
            "features.indptr": self.features.indptr.astype(np.int64),
            "features.indices": self.features.indices.astype(np.int32),
            "features.data": self.features.data.astype(np.float32),
            **named("features", [_legible(name) for name in self.names]),
        }

    @property
    def details(self) -> Mapping[str, Any]:
        return {"features": int(self.features.shape[1])}

    def scores(self, profiles: Csr) -> Doubles:
        doubles = self.features.astype(np.float64)
        return np.asarray((profiles @ doubles @ doubles.T).toarray())


def content_based(matrix: Matrix, parameters: Mapping[str, Any], items: Items | None) -> Content:
    """Describe each item of the matrix by its metadata.

    NothingLearnt where there is no metadata that says anything.
    """
    columns = {} if items is None else items.of(matrix.item_ids)
    blocks = [
        (block, weight)
        for block, weight in _blocks(columns, parameters)
        if weight > 0 and block.names
    ]
    if not blocks:
        raise NothingLearnt("content-based needs item metadata: text, categories or numbers")
    weighed = [normalize(block.cells) * weight for block, weight in blocks]
    features = normalize(sparse.hstack(weighed)).tocsr().astype(np.float32)
    features.sort_indices()
    return Content(features, [name for block, _weight in blocks for name in block.names])


def _legible(name: str) -> str:
    return name[:_LONGEST_NAME].encode(errors="replace").decode()


Columns = Mapping[str, Sequence[Any]]


def _blocks(columns: Columns, parameters: Mapping[str, Any]) -> list[tuple[Block, float]]:
    readings: tuple[tuple[Field, Callable[[Columns, int], Block], float], ...] = (
        (Field.TEXT, _text, parameters["text_weight"]),
        (Field.CATEGORY, _categories, parameters["category_weight"]),
        (Field.NUMBER, _numbers, parameters["number_weight"]),
    )
    blocks = []
    for field, described, weight in readings:
        chosen = {name: column for name, column in columns.items() if reading(column) is field}
        if chosen:
            blocks.append((described(chosen, parameters["max_features"]), weight))
    return blocks


def _text(columns: Columns, limit: int) -> Block:
    texts = [" ".join(filter(None, row)) for row in zip(*columns.values(), strict=True)]
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=limit)
    try:
        cells = vectorizer.fit_transform(texts)
    except ValueError:  # Texts without a single word say nothing.
        return Block(sparse.csr_matrix((len(texts), 0)), ())
    return Block(cells, [f'"{word}"' for word in vectorizer.get_feature_names_out()])


def _categories(columns: Columns, limit: int) -> Block:
    marks = [
        [f"{name}: {value}" for name, column in columns.items() for value in _values(column[row])]
        for row in range(len(next(iter(columns.values()))))
    ]
    common = sorted({mark for row in marks for mark in row})[:limit]
    place = {mark: column for column, mark in enumerate(common)}
    cells = [
        (row, place[mark]) for row, found in enumerate(marks) for mark in found if mark in place
    ]
    if not cells:
        return Block(sparse.csr_matrix((len(marks), 0)), ())
    rows, places = zip(*cells, strict=True)
    shape = (len(marks), len(common))
    counts = sparse.csr_matrix((np.ones(len(cells)), (rows, places)), shape=shape)
    return Block(TfidfTransformer(norm=None).fit_transform(counts.sign()), common)


def _values(value: Any) -> Sequence[Any]:
    if value is None or value == "":
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _numbers(columns: Columns, limit: int) -> Block:
    """Return soft bins: each number is shared between the two nearest quantiles of its column."""
    bins = [_soft_bins(name, column) for name, column in columns.items()]
    cells = sparse.hstack([each.cells for each in bins]).tocsr()
    return Block(cells, [name for each in bins for name in each.names])


def _soft_bins(name: str, column: Sequence[Any]) -> Block:
    numbers = np.array([np.nan if value in (None, "") else float(value) for value in column])
    numbers[~np.isfinite(numbers)] = np.nan
    known = np.flatnonzero(~np.isnan(numbers))
    quantiles = np.linspace(0, 1, _KNOTS)
    knots = np.unique(np.quantile(numbers[known], quantiles)) if known.size else quantiles[:0]
    if knots.size < 2:
        return Block(sparse.csr_matrix((len(column), 0)), ())
    place = np.interp(numbers[known], knots, np.arange(knots.size))
    lower = np.minimum(place.astype(int), knots.size - 2)
    above = place - lower
    cells = np.concatenate((1 - above, above))
    rows = np.concatenate((known, known))
    at = (rows, np.concatenate((lower, lower + 1)))
    table = sparse.csr_matrix((cells, at), shape=(len(column), knots.size))
    return Block(table, [f"{name}: about {knot:.6g}" for knot in knots])
