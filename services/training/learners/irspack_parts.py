"""The parts of irspack that learners are built on.

Importing irspack warns of pydantic's older spelling of its settings, which is not ours to mend;
every import of it goes through here, so that this and nothing else is silenced.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from irspack.recommenders.ials import IALSRecommender, compute_reg_scale
    from irspack.recommenders.knn import (
        AsymmetricCosineKNNRecommender,
        CosineKNNRecommender,
        JaccardKNNRecommender,
        TverskyIndexKNNRecommender,
    )
    from irspack.recommenders.p3 import P3alphaRecommender
    from irspack.recommenders.rp3 import RP3betaRecommender
    from irspack.utils import okapi_BM_25_weight, tf_idf_weight
    from irspack.utils._util_cpp import slim_weight_allow_negative, slim_weight_positive_only

ITEM_NEIGHBOURS = {
    learner.__name__: learner
    for learner in (
        AsymmetricCosineKNNRecommender,
        CosineKNNRecommender,
        JaccardKNNRecommender,
        P3alphaRecommender,
        RP3betaRecommender,
        TverskyIndexKNNRecommender,
    )
}

__all__ = [
    "ITEM_NEIGHBOURS",
    "IALSRecommender",
    "compute_reg_scale",
    "okapi_BM_25_weight",
    "slim_weight_allow_negative",
    "slim_weight_positive_only",
    "tf_idf_weight",
]
