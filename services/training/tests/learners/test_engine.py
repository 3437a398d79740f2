"""Learning and tuning as a job sees them."""

from dataclasses import replace

import pytest

from training import learners
from training.learners import Evaluation, LearningOrder, Scheme, Split, Tuning
from training.learners.engine import COLLABORATIVE_TUNING
from training.learners.interactions import Interactions
from training.tests.learners.samples import groups, wide

QUICK = Tuning(algorithms=("DenseSLIM", "CosineKNN", "TopPop"), n_trials=6)
ORDER = LearningOrder(learner="collaborative", tuning=QUICK, evaluation=Evaluation(cutoff=2))


def test_a_model_says_how_it_did_on_data_it_never_saw() -> None:
    model = learners.learn(replace(ORDER, learner="DenseSLIM", tuning=None), groups())
    metrics = model.metrics
    assert metrics["measured"] is True
    assert metrics["beats_popularity"] is True
    assert metrics["ndcg"] > metrics["popularity"]["ndcg"]
    assert (metrics["scheme"], metrics["cutoff"], metrics["users"]) == ("TU", 2, 30)


def test_a_ranking_may_be_looked_at_deeper_than_there_are_items() -> None:
    order = replace(ORDER, learner="DenseSLIM", tuning=None)
    deep, deeper = (
        learners.learn(replace(order, evaluation=Evaluation(cutoff=cutoff)), groups()).metrics
        for cutoff in (16, 2**31 - 1)
    )
    assert (deeper["ndcg"], deeper["map"]) == (deep["ndcg"], deep["map"])


def test_popularity_does_not_beat_itself() -> None:
    model = learners.learn(LearningOrder(learner="TopPopRecommender"), groups())
    assert model.metrics["beats_popularity"] is False


def test_too_little_data_is_learnt_from_without_being_measured() -> None:
    few = Interactions.from_columns(["x", "y"], ["a", "b"])
    for learner in ("collaborative", "hybrid", "popularity"):
        model = learners.learn(LearningOrder(learner=learner), few)
        assert model.metrics == {"measured": False}
        assert model.tuning is None


def test_collaborative_is_the_best_of_what_was_tried() -> None:
    model = learners.learn(ORDER, groups())
    assert model.tuning is not None
    assert model.asked_for == "collaborative"
    assert model.recipe == model.tuning.recipe
    assert model.recipe.learner != "TopPopRecommender"
    scores = [trial.marks["ndcg"] for trial in model.tuning.trials]
    assert model.tuning.score == max(scores)


def test_each_learner_is_tried_with_its_defaults_first() -> None:
    result = learners.tune(ORDER, groups())
    assert [trial.recipe.learner for trial in result.trials[:3]] == [
        "DenseSLIMRecommender",
        "CosineKNNRecommender",
        "TopPopRecommender",
    ]
    assert result.trials[0].recipe.parameters["reg"] == 200.0
    again = result.trials[3].recipe
    assert (again.learner, again.half_life) == ("DenseSLIMRecommender", 10.0)


def test_the_same_seed_searches_the_same_way() -> None:
    longer = replace(QUICK, n_trials=10)
    one, other = (learners.tune(replace(ORDER, tuning=longer), groups()) for _ in range(2))
    assert one.trials == other.trials
    third = learners.tune(replace(ORDER, tuning=replace(longer, seed=9)), groups())
    assert third.trials != one.trials


def test_recency_is_searched_only_where_the_split_knows_time() -> None:
    by_time = learners.tune(replace(ORDER, tuning=replace(QUICK, n_trials=12)), groups())
    by_chance = learners.tune(
        replace(ORDER, tuning=replace(QUICK, n_trials=12), split=Split(Scheme.RANDOM)), groups()
    )
    assert any(trial.recipe.half_life for trial in by_time.trials)
    assert not any(trial.recipe.half_life for trial in by_chance.trials)


def test_a_hybrid_finds_its_own_weights() -> None:
    order = replace(ORDER, learner="hybrid")
    model = learners.learn(order, groups(), _items())
    assert model.recipe.learner == "hybrid"
    assert model.recipe.parameters["content"] > 0
    assert model.tuning is not None
    assert model.recipe.parameters["member"] == model.tuning.learner


def _items() -> learners.Items:
    return learners.Items.from_documents(
        (f"i{item}", {"group": ["first", "second"][item // 8]}) for item in range(16)
    )


def test_progress_rises_and_speaks() -> None:
    told: list[tuple[float, str]] = []
    learners.learn(ORDER, groups(), report=lambda share, message: told.append((share, message)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    log = "\n".join(message for _, message in told)
    assert "Trial 0 with DenseSLIMRecommender / {'reg': 200.0" in log
    assert "COMPLETE.\nndcg@2=" in log
    assert "Found best configuration: " in log


def test_a_cancelled_job_stops_at_its_next_step() -> None:
    told: list[str] = []
    with pytest.raises(learners.Cancelled):
        learners.learn(
            ORDER,
            groups(),
            report=lambda _, message: told.append(message),
            cancelled=lambda: len(told) >= 3,
        )
    assert len(told) == 3


def test_what_does_not_fit_into_memory_is_left_out_and_said() -> None:
    told: list[str] = []
    tight = replace(QUICK, memory_budget=1, algorithms=("IALS", "TopPop"))
    wide = groups(users=3000)
    result = learners.tune(
        replace(ORDER, tuning=tight), wide, report=lambda _, message: told.append(message)
    )
    assert {trial.recipe.learner for trial in result.trials} == {"TopPopRecommender"}
    assert told[0].startswith("Left out IALSRecommender")


def test_the_overall_time_limit_ends_the_search() -> None:
    hurried = replace(QUICK, n_trials=10_000, timeout_overall=0.2)
    result = learners.tune(replace(ORDER, tuning=hurried), groups())
    assert 1 <= len(result.trials) < 10_000
    assert result.is_timed


def test_the_effort_ends_a_search_at_the_same_trial_on_every_machine() -> None:
    told: list[str] = []
    spent = replace(QUICK, algorithms=("DenseSLIM", "TopPop"), n_trials=10, effort=1.0)
    result = learners.tune(
        replace(ORDER, tuning=spent), groups(), report=lambda _, message: told.append(message)
    )
    assert [trial.recipe.learner for trial in result.trials] == [
        "DenseSLIMRecommender",
        "TopPopRecommender",
        "DenseSLIMRecommender",
    ]
    assert not result.is_timed
    assert "Stopped after 3 trials: the data is large." in told


def test_what_trains_by_itself_knows_no_clock() -> None:
    tuning = COLLABORATIVE_TUNING
    assert (tuning.timeout_overall, tuning.timeout_singlestep) == (None, None)
    assert tuning.effort is not None


def test_a_trial_above_its_time_limit_is_stopped_and_says_so() -> None:
    told: list[str] = []
    # What takes no time may be there before anybody looks, and then it counts.
    pressed = replace(QUICK, algorithms=("DenseSLIM",), timeout_singlestep=1e-6, n_trials=1)
    with pytest.raises(learners.NothingLearnt):
        learners.tune(
            replace(ORDER, tuning=pressed),
            wide(),
            report=lambda _, message: told.append(message),
        )
    assert told[0].endswith("FAIL.\ntook longer than its time limit")


def test_trials_side_by_side_find_what_trials_in_a_row_find() -> None:
    alone = replace(QUICK, algorithms=("TopPop", "DenseSLIM"), n_trials=2)
    in_a_row = learners.tune(replace(ORDER, tuning=alone), groups())
    side_by_side = learners.tune(replace(ORDER, tuning=replace(alone, parallel=2)), groups())
    assert side_by_side.trials == in_a_row.trials


@pytest.mark.parametrize(
    "tuning",
    [
        Tuning(n_trials=0),
        Tuning(parallel=0),
        Tuning(memory_budget=0),
        Tuning(timeout_overall=0),
        Tuning(timeout_singlestep=-1),
    ],
)
def test_limits_that_cannot_be_are_refused(tuning: Tuning) -> None:
    with pytest.raises(learners.OrderRefused):
        learners.tune(replace(ORDER, tuning=tuning), groups())


def test_unknown_algorithms_are_dropped_and_none_means_the_default() -> None:
    order = replace(ORDER, tuning=Tuning(algorithms=("BPRFM", "TopPop"), n_trials=1))
    assert learners.tune(order, groups()).learner == "TopPopRecommender"
    order = replace(ORDER, tuning=Tuning(algorithms=("BPRFM",), n_trials=3))
    assert {trial.recipe.learner for trial in learners.tune(order, groups()).trials} == {
        "IALSRecommender",
        "CosineKNNRecommender",
        "TopPopRecommender",
    }
