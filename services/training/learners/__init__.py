"""The engine: interactions in, a signed artefact out. No await, no SQL, no web, no broker.

How the worker uses it::

    from training import learners

    interactions = learners.Interactions.from_table(table, user="u", item="i", time="t", weight=None)
    items = learners.Items.from_table(metadata_table, item="i")          # or None
    order = learners.LearningOrder(learner="IALSRecommender", parameters={...}, seed=42)
    model = learners.learn(order, interactions, items, report=report, cancelled=cancelled)
    manifest = learners.write(model, folder, signer=private_key, created_at=clock.now())

    result = learners.tune(order, interactions, report=report, cancelled=cancelled)   # order.tuning is set
    result.learner, result.parameters, result.score, result.trials

- `report(progress: float, message: str)` is called on the same thread, progress rising from 0 to 1;
  each message is one log line of the job.
- `cancelled() -> bool` is asked between steps; true raises `Cancelled`.
- `learner_named(name) -> str` gives the canonical class name or raises `OrderRefused`; `check(learner, parameters)`
  refuses unknown parameters before a job is made of them.
- Errors: `OrderRefused` (the order is wrong), `NothingLearnt` (the data or limits leave nothing), `Cancelled`.
- `signer` is the Ed25519 private key; `write` makes `folder` with `manifest.json` and the files it names, and
  returns the manifest (`manifest.digest`, `manifest.size`, `manifest.metrics`).
- Same interactions, parameters and seed give the same digest. The worker sets `OMP_NUM_THREADS`,
  `OPENBLAS_NUM_THREADS` and `MKL_NUM_THREADS` to 1 *before* it imports numpy: pools on few cores cost more than
  they give, and one thread adds numbers in one order.
"""
