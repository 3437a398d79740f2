"""The engine: interactions in, a signed artefact out. No await, no SQL, no web, no broker.

How the worker uses it::

    from training import learners

    interactions = learners.Interactions.from_table(table, user="u", item="i", time="t")
    items = learners.Items.from_table(metadata, item="i")
    order = learners.LearningOrder(learner="IALSRecommender", parameters={"n_components": 32})
    model = learners.learn(order, interactions, items, report=report, cancelled=cancelled)
    manifest = learners.write(model, folder, signer=private_key, created_at=now)

    order = learners.LearningOrder(learner="collaborative", tuning=learners.Tuning(n_trials=40))
    result = learners.tune(order, interactions, report=report, cancelled=cancelled)
    result.learner, result.parameters, result.score, result.trials

- `report(progress, message)` is called on the same thread, progress rising from 0 to 1; each
  message is one entry of the job's log (some have two lines).
- `cancelled()` is asked between steps; true raises `Cancelled`.
- `learner_named(name)` gives the full name of a learner or raises `OrderRefused`;
  `check(learner, parameters)` refuses what could not be trained before a job is made of it.
  `CLASS_NAMES` are the names that a model configuration may carry.
- Errors: `OrderRefused` (the order is wrong), `NothingLearnt` (the data or limits leave nothing),
  `Cancelled`. Their messages are for the person who ordered.
- `write` makes the folder with `manifest.json` and the files it names and returns the manifest:
  `manifest.digest`, `manifest.size`, `manifest.metrics` (see `LearnedModel`). `write_files` does
  the same for learners of other kinds, which bring their own manifest and files.
- Same interactions, parameters and seed give the same digest. Workers are started with one thread
  for numerical libraries, which adds numbers in one order. The worker guards its entry point by
  `if __name__ == "__main__"`, because trials with time limits run in spawned processes.
"""

from training.learners.artefact import write, write_files
from training.learners.catalogue import CLASS_NAMES, check, learner_named
from training.learners.engine import learn, tune
from training.learners.interactions import Interactions
from training.learners.items import Items
from training.learners.model import LearnedModel
from training.learners.orders import (
    Cancelled,
    Evaluation,
    LearningOrder,
    Metric,
    NothingLearnt,
    OrderRefused,
    Scheme,
    Split,
    Tuning,
)
from training.learners.tuning import Trial, TuningResult

__all__ = [
    "CLASS_NAMES",
    "Cancelled",
    "Evaluation",
    "Interactions",
    "Items",
    "LearnedModel",
    "LearningOrder",
    "Metric",
    "NothingLearnt",
    "OrderRefused",
    "Scheme",
    "Split",
    "Trial",
    "Tuning",
    "TuningResult",
    "check",
    "learn",
    "learner_named",
    "tune",
    "write",
    "write_files",
]
