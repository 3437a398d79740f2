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
from training.learners.orders import NothingLearnt

_KNOTS = 6


@dataclass(frozen=True)
class Content:
    """`features` is csr float32 (items, features), rows of length 1 (or empty): score = (h F)
    Fᵀ."""

    features: Csr
    kind = "content"

    @property
    def arrays(self) -> Mapping[str, Array]:
        return {
            "features.indptr": self.features.indptr.astype(np.int64),
            "features.indices": self.features.indices.astype(np.int32),
            "features.data": self.features.data.astype(np.float32),
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
        normalize(block) * weight
        for block, weight in _blocks(columns, parameters)
        if weight > 0 and block.shape[1]
    ]
    if not blocks:
        raise NothingLearnt("content-based needs item metadata: text, categories or numbers")
    features = normalize(sparse.hstack(blocks)).tocsr().astype(np.float32)
    features.sort_indices()
    return Content(features=features)


Columns = Mapping[str, Sequence[Any]]


def _blocks(columns: Columns, parameters: Mapping[str, Any]) -> list[tuple[Csr, float]]:
    readings: tuple[tuple[Field, Callable[[Columns, int], Csr], float], ...] = (
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


def _text(columns: Columns, limit: int) -> Csr:
    texts = [" ".join(filter(None, row)) for row in zip(*columns.values(), strict=True)]
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=limit)
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:  # Texts without a single word say nothing.
        return sparse.csr_matrix((len(texts), 0))


def _categories(columns: Columns, limit: int) -> Csr:
    marks = [
        [f"{name}={value}" for name, column in columns.items() for value in _values(column[row])]
        for row in range(len(next(iter(columns.values()))))
    ]
    common = sorted({mark for row in marks for mark in row})[:limit]
    place = {mark: column for column, mark in enumerate(common)}
    cells = [
        (row, place[mark]) for row, found in enumerate(marks) for mark in found if mark in place
    ]
    if not cells:
        return sparse.csr_matrix((len(marks), 0))
    rows, places = zip(*cells, strict=True)
    shape = (len(marks), len(common))
    counts = sparse.csr_matrix((np.ones(len(cells)), (rows, places)), shape=shape)
    return TfidfTransformer(norm=None).fit_transform(counts.sign())


def _values(value: Any) -> Sequence[Any]:
    if value is None or value == "":
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _numbers(columns: Columns, limit: int) -> Csr:
    """Return soft bins: each number is shared between the two nearest quantiles of its column."""
    return sparse.hstack([_soft_bins(column) for column in columns.values()]).tocsr()


def _soft_bins(column: Sequence[Any]) -> Csr:
    numbers = np.array([np.nan if value is None else float(value) for value in column])
    numbers[~np.isfinite(numbers)] = np.nan
    known = np.flatnonzero(~np.isnan(numbers))
    shape = (len(column), _KNOTS)
    quantiles = np.linspace(0, 1, _KNOTS)
    knots = np.unique(np.quantile(numbers[known], quantiles)) if known.size else quantiles[:0]
    if knots.size < 2:
        return sparse.csr_matrix(shape)
    place = np.interp(numbers[known], knots, np.arange(knots.size))
    lower = np.minimum(place.astype(int), knots.size - 2)
    above = place - lower
    cells = np.concatenate((1 - above, above))
    rows = np.concatenate((known, known))
    return sparse.csr_matrix((cells, (rows, np.concatenate((lower, lower + 1)))), shape=shape)
