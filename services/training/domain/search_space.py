"""What each learner can be told: its parameters, what they are when nobody says, and where to
search.

Names are irspack's, so that its `parameters_json` is understood; defaults are not, because some of
irspack's rank worse than plain popularity on real data. `history_half_life` is ours: the strength
of a past item halves with every so many newer ones (none: all of the history counts the same).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """One parameter: `type` is int, float, bool or str; `low` and `high` bound what is accepted."""

    name: str
    type: type
    default: Any
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    optional: bool = False

    def accept(self, value: Any) -> Any:
        """Return the value in this parameter's type; ValueError says what is wrong with it."""
        if value is None and self.optional:
            return None
        if self.type is bool or isinstance(value, bool):
            return self._exactly(value)
        if self.type is str:
            return self._chosen(value)
        return self._number(value)

    def _exactly(self, value: Any) -> Any:
        if not (self.type is bool and isinstance(value, bool)):
            raise ValueError(f"{self.name} must be {_SAID[self.type]}")
        return value

    def _chosen(self, value: Any) -> str:
        if value not in self.choices:
            raise ValueError(f"{self.name} must be one of {', '.join(self.choices)}")
        return str(value)

    def _number(self, value: Any) -> int | float:
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{self.name} must be {_SAID[self.type]}")
        if self.type is int and value != int(value):
            raise ValueError(f"{self.name} must be {_SAID[self.type]}")
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name} must be between {self.low:g} and {self.high:g}")
        return int(value) if self.type is int else float(value)


_SAID: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


@dataclass(frozen=True)
class Whole:
    """Search whole numbers from low to high."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Real:
    """Search real numbers from low to high."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """Search among these values."""

    values: tuple[Any, ...]


Range = Whole | Real | Choice

_HALF_LIFE = Parameter("history_half_life", float, None, low=0.1, high=1e6, optional=True)
#: Understood and left unused: one thread adds numbers in one order, and so makes one artefact.
_THREADS = Parameter("n_threads", int, None, low=1, high=1024, optional=True)
_TOP = Parameter("top_k", int, 100, low=1, high=100_000, optional=True)
_SHRINKAGE = Parameter("shrinkage", float, 0.0, low=0.0)
_ALPHA = Parameter("alpha", float, 0.5, low=0.0, high=1.0)
_WEIGHTING = (
    Parameter("feature_weighting", str, "TF_IDF", choices=("NONE", "TF_IDF", "BM_25")),
    Parameter("bm25_k1", float, 1.2, low=0.0),
    Parameter("bm25_b", float, 0.75, low=0.0, high=1.0),
)
_NEIGHBOURS = (_SHRINKAGE, _TOP, _THREADS, _HALF_LIFE)
_WALK = (
    Parameter("alpha", float, 1.0, low=0.0),
    _TOP,
    Parameter("normalize_weight", bool, True),
    _THREADS,
    _HALF_LIFE,
)
_RIDGE = Parameter("reg", float, 200.0, low=1e-6)
_SEED = Parameter("random_seed", int, None, low=0, high=2**31 - 1, optional=True)

_IALS = (
    Parameter("n_components", int, 64, low=1, high=2048),
    Parameter("alpha0", float, 0.3, low=0.0),
    Parameter("reg", float, 0.003, low=0.0),
    Parameter("nu", float, 1.0, low=0.0, high=2.0),
    Parameter("nu_star", float, None, low=0.0, high=2.0, optional=True),
    Parameter("confidence_scaling", str, "none", choices=("none", "log")),
    Parameter("epsilon", float, 1.0, low=1e-9),
    Parameter("init_std", float, 0.1, low=1e-9),
    Parameter("solver_type", str, "CG", choices=("CG", "CHOLESKY", "IALSPP")),
    Parameter("max_cg_steps", int, 3, low=1, high=1000),
    Parameter("ialspp_subspace_dimension", int, 64, low=1, high=2048),
    Parameter("loss_type", str, "IALSPP", choices=("IALSPP", "ORIGINAL")),
    Parameter("train_epochs", int, 16, low=1, high=1000),
    Parameter("prediction_time_max_cg_steps", int, 5, low=1, high=1000),
    Parameter("prediction_time_ialspp_iteration", int, 7, low=1, high=1000),
    _SEED,
    _THREADS,
    _HALF_LIFE,
)

#: Parameters by learner, in the names of irspack where it knows them.
PARAMETERS: Mapping[str, tuple[Parameter, ...]] = {
    "TopPopRecommender": (
        Parameter("half_life_days", float, None, low=1e-3, high=1e6, optional=True),
    ),
    "popularity": (Parameter("half_life_days", float, 90.0, low=1e-3, high=1e6, optional=True),),
    "IALSRecommender": _IALS,
    "CosineKNNRecommender": (*_NEIGHBOURS, *_WEIGHTING, Parameter("normalize", bool, True)),
    "AsymmetricCosineKNNRecommender": (*_NEIGHBOURS, *_WEIGHTING, _ALPHA),
    "JaccardKNNRecommender": _NEIGHBOURS,
    "TverskyIndexKNNRecommender": (
        *_NEIGHBOURS,
        Parameter("alpha", float, 0.5, low=0.0),
        Parameter("beta", float, 0.5, low=0.0),
    ),
    "CosineUserKNNRecommender": (*_NEIGHBOURS, *_WEIGHTING, Parameter("normalize", bool, True)),
    "AsymmetricCosineUserKNNRecommender": (*_NEIGHBOURS, *_WEIGHTING, _ALPHA),
    "P3alphaRecommender": _WALK,
    "RP3betaRecommender": (*_WALK, Parameter("beta", float, 0.2, low=0.0)),
    "DenseSLIMRecommender": (_RIDGE, _HALF_LIFE),
    "EDLAERecommender": (
        _RIDGE,
        Parameter("dropout_p", float, 0.3, low=0.0, high=0.999),
        _HALF_LIFE,
    ),
    "SLIMRecommender": (
        Parameter("alpha", float, 0.005, low=0.0),
        Parameter("l1_ratio", float, 0.1, low=0.0, high=1.0),
        Parameter("positive_only", bool, True),
        Parameter("n_iter", int, 30, low=1, high=10_000),
        Parameter("tol", float, 1e-4, low=0.0),
        Parameter("top_k", int, 200, low=1, high=100_000, optional=True),
        _THREADS,
        _HALF_LIFE,
    ),
    "TruncatedSVDRecommender": (
        Parameter("n_components", int, 32, low=1, high=2048),
        _SEED,
        _HALF_LIFE,
    ),
    "NMFRecommender": (
        Parameter("n_components", int, 32, low=1, high=2048),
        Parameter("alpha", float, 0.001, low=0.0),
        Parameter("l1_ratio", float, 0.01, low=0.0, high=1.0),
        Parameter("beta_loss", str, "frobenius", choices=("frobenius",)),
        Parameter("init", str, None, choices=("nndsvd", "nndsvda", "random"), optional=True),
        _HALF_LIFE,
    ),
    "session": (
        Parameter("window", int, 10, low=1, high=100),
        Parameter("top_k", int, 100, low=1, high=10_000),
        Parameter("history_half_life", float, 3.0, low=0.1, high=1e6, optional=True),
    ),
    "content-based": (
        Parameter("text_weight", float, 1.0, low=0.0, high=100.0),
        Parameter("category_weight", float, 1.0, low=0.0, high=100.0),
        Parameter("number_weight", float, 0.3, low=0.0, high=100.0),
        Parameter("max_features", int, 50_000, low=10, high=1_000_000),
        _HALF_LIFE,
    ),
    "hybrid": (
        Parameter("collaborative", float, 1.0, low=0.0, high=100.0),
        Parameter("session", float, 0.2, low=0.0, high=100.0),
        Parameter("content", float, 0.2, low=0.0, high=100.0),
        Parameter("popularity", float, 0.05, low=0.0, high=100.0),
    ),
}

_KNN_SPACE: Mapping[str, Range] = {
    "top_k": Whole(20, 500, log=True),
    "shrinkage": Real(0.0, 100.0),
    "feature_weighting": Choice(("NONE", "TF_IDF", "BM_25")),
}
_COUNTED_SPACE: Mapping[str, Range] = {
    "top_k": Whole(20, 500, log=True),
    "shrinkage": Real(0.0, 100.0),
}

#: Where tuning searches; learners without a line are tried once, with their defaults.
SEARCH: Mapping[str, Mapping[str, Range]] = {
    "IALSRecommender": {
        "n_components": Whole(16, 192, log=True),
        "alpha0": Real(0.03, 1.0, log=True),
        "reg": Real(3e-4, 3e-2, log=True),
    },
    "CosineKNNRecommender": {**_KNN_SPACE, "normalize": Choice((True, False))},
    "AsymmetricCosineKNNRecommender": {**_KNN_SPACE, "alpha": Real(0.0, 1.0)},
    "JaccardKNNRecommender": _COUNTED_SPACE,
    "TverskyIndexKNNRecommender": {
        **_COUNTED_SPACE,
        "alpha": Real(0.0, 2.0),
        "beta": Real(0.0, 2.0),
    },
    "CosineUserKNNRecommender": {**_KNN_SPACE, "normalize": Choice((True, False))},
    "AsymmetricCosineUserKNNRecommender": {**_KNN_SPACE, "alpha": Real(0.0, 1.0)},
    "P3alphaRecommender": {
        "top_k": Whole(20, 500, log=True),
        "normalize_weight": Choice((True, False)),
    },
    "RP3betaRecommender": {
        "top_k": Whole(20, 500, log=True),
        "beta": Real(0.01, 1.0, log=True),
        "normalize_weight": Choice((True, False)),
    },
    "DenseSLIMRecommender": {"reg": Real(10.0, 5e3, log=True)},
    "EDLAERecommender": {"reg": Real(10.0, 5e3, log=True), "dropout_p": Real(0.05, 0.8)},
    "SLIMRecommender": {"alpha": Real(3e-4, 0.1, log=True), "l1_ratio": Real(0.01, 0.5)},
    "TruncatedSVDRecommender": {"n_components": Whole(8, 128, log=True)},
    "NMFRecommender": {
        "n_components": Whole(8, 96, log=True),
        "alpha": Real(1e-6, 1e-2, log=True),
    },
}

#: Searched beside the above where interactions have times and the split respects them.
RECENCY: Range = Choice((None, 5.0, 10.0, 20.0, 50.0))
FIRST_HALF_LIFE = 10.0


def complete(learner: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all of a learner's parameters, the given ones checked; ValueError names the wrong
    one."""
    known = {parameter.name: parameter for parameter in PARAMETERS[learner]}
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise ValueError(f"{learner} has no parameter {', '.join(map(repr, unknown))}")
    return {
        name: parameter.accept(given[name]) if name in given else parameter.default
        for name, parameter in known.items()
    }
