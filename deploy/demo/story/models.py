"""Models are trained from the uploaded file, and by themselves from what streams in."""

from typing import Any

from demo.client import eventually
from demo.stage import Stage

#: Two ways to recommend, to be compared later: what everybody takes, and what this user would.
_LEARNERS: dict[str, tuple[str, dict[str, Any]]] = {
    "popular": ("TopPopRecommender", {}),
    "personal": ("DenseSLIMRecommender", {}),
}


async def train(stage: Stage) -> None:
    """Train two models of the project, put each into a slot, and let the algorithms train."""
    for name in _LEARNERS:
        model = await train_model(stage, name)
        stage.models[name] = model["id"]
        stage.say(f"model {model['id']} ({name}) trained: {(model['filesize'] or 0) / 1e6:.1f} MB")
    for name in _LEARNERS:
        slot = await slotted(stage, name)
        stage.slots[name] = slot["id"]
    stage.say("each serves in a slot of its own, half of the traffic each")
    for algorithm in ("collaborative", "content-based"):
        await train_algorithm(stage, algorithm)


async def train_model(stage: Stage, name: str) -> dict[str, Any]:
    """Train a model of the project from the uploaded file."""
    learner, parameters = _LEARNERS[name]
    project = stage.back_end.project
    configuration = await stage.back_end.call(
        "GET", f"/api/v1/model_configuration/?project={project}"
    )
    known = {each["name"]: each["id"] for each in configuration["results"]}
    if name not in known:
        made = await stage.back_end.call(
            "POST",
            "/api/v1/model_configuration/",
            json={
                "project": project,
                "name": name,
                "recommender_class_name": learner,
                "parameters_json": parameters,
            },
        )
        known[name] = made["id"]
    order = {"configuration": known[name], "data_loc": stage.models["data"]}
    started = await stage.back_end.call("POST", "/api/v1/trained_model/", json=order)

    async def done() -> dict[str, Any] | None:
        model: dict[str, Any] = await stage.back_end.call(
            "GET", f"/api/v1/trained_model/{started['id']}/"
        )
        return model if model["filesize"] else None

    return await eventually(done, f"model {started['id']}", seconds=180)


async def slotted(stage: Stage, name: str) -> dict[str, Any]:
    """Put a model into a slot."""
    slot: dict[str, Any] = await stage.back_end.call(
        "POST",
        "/api/v1/deployment_slot/",
        json={
            "project": stage.back_end.project,
            "name": name,
            "trained_model": stage.models[name],
            "weight": 50,
        },
    )
    return slot


async def train_algorithm(stage: Stage, name: str) -> bool:
    """Train one of the tenant's algorithms; tell whether what it learnt was put in service."""
    order = await stage.back_end.admin("POST", f"/api/v1/algorithms/{name}/train")
    job = await stage.back_end.finished(order["job_id"])
    measured = (job.get("result") or {}).get("metrics") or {}
    quality = measured.get("ndcg")
    told = f", NDCG {quality:.3f} on its own split" if isinstance(quality, float) else ""
    row = await eventually(lambda: _settled(stage, name), f"a loaded model of {name}")
    is_served = row["model_version"] is not None and row["detail"] is None
    stage.say(f"{name} is ready as {row['model_version']}{told}" if is_served else row["detail"])
    return is_served


async def _settled(stage: Stage, name: str) -> dict[str, Any] | None:
    """Return where an algorithm stands, None while inference still loads its newest model."""
    algorithms = await stage.back_end.admin("GET", "/api/v1/algorithms")
    row: dict[str, Any] = next(each for each in algorithms if each["name"] == name)
    return None if row["status"] == "loading" else row
