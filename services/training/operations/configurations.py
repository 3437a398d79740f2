"""Keep split, evaluation and model configurations; deleting one deletes what was made with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from chassis.database import Transaction
from chassis.problems import NON_FIELD, Conflict, Invalid
from chassis.wire import Page
from training.domain import search_space
from training.domain.configurations import ModelConfiguration
from training.operations import references, registry, tuning
from training.operations.reach import is_theirs
from training.store import configurations as store
from training.store import schedules
from training.store import tuning as searches
from training.store.rows import Rows

_RECOMMENDERS = frozenset(name for name in search_space.PARAMETERS if name.endswith("Recommender"))
_NAME_TAKEN = "The fields project, name must make a unique set."


class Recipes:
    """Split or evaluation configurations: whoever made them has them, in every project."""

    def __init__(self, noun: str, rows: Rows[Any], *, used_as: str) -> None:
        """Serve one table; searches name its rows in their member `used_as`."""
        self.noun = noun
        self._rows = rows
        self._used_as = used_as

    async def find(
        self, tx: Transaction, *, page: Page, where: Mapping[str, Any]
    ) -> tuple[Sequence[Any], int]:
        """Return one page and the number of all."""
        mine = None if tx.caller.sees_all else tx.caller.person_id
        return await store.find_named(
            tx, self._rows, where=where, maker=mine, offset=page.offset, limit=page.size
        )

    async def get(self, tx: Transaction, row_id: int) -> Any | None:
        """Return a configuration of the caller's own, or one that is nobody's; or None."""
        found = await self._rows.get(tx, row_id)
        return found if found is not None and is_theirs(tx.caller, found) else None

    async def add(self, tx: Transaction, values: Mapping[str, Any]) -> Any:
        """Keep a new configuration."""
        return await self._rows.add(tx, **values, created_by=tx.caller.person_id)

    async def change(self, tx: Transaction, row_id: int, values: Mapping[str, Any]) -> Any | None:
        """Change a configuration; searches that began keep to what they began with."""
        if await self.get(tx, row_id) is None:
            return None
        return await self._rows.change(tx, row_id, values)

    async def remove(self, tx: Transaction, row_id: int) -> bool:
        """Delete a configuration and the searches that used it.

        Raises:
            Conflict: a project that the caller may not see uses it.
        """
        if await self.get(tx, row_id) is None:
            return False
        await self._refuse_beyond_reach(tx, row_id)
        reason = f"The {self._used_as} configuration was deleted."
        await tuning.drop_where(tx, reason=reason, **{self._used_as: row_id})
        await schedules.forget(tx, f"{self._used_as}_config", row_id)
        return await self._rows.remove(tx, row_id)

    async def _refuse_beyond_reach(self, tx: Transaction, row_id: int) -> None:
        used = await searches.searches.all(tx, **{self._used_as: row_id})
        planned = await schedules.schedules.all(tx, **{f"{self._used_as}_config": row_id})
        projects = [each.project for each in used] + [each.project for each in planned]
        if not all(map(tx.caller.may_see, projects)):
            raise Conflict("Another project uses this configuration.")


splits = Recipes("SplitConfig", store.splits, used_as="split")
evaluations = Recipes("EvaluationConfig", store.evaluations, used_as="evaluation")


class ModelConfigurations:
    """Learners with parameters, each for one project."""

    noun = "ModelConfiguration"

    async def find(
        self, tx: Transaction, *, page: Page, where: Mapping[str, Any]
    ) -> tuple[Sequence[ModelConfiguration], int]:
        """Return one page and the number of all."""
        chosen = tx.caller.narrowed(where)
        if chosen is None:
            return [], 0
        return await store.find_named(
            tx, store.models, where=chosen, offset=page.offset, limit=page.size
        )

    async def get(self, tx: Transaction, row_id: int) -> ModelConfiguration | None:
        """Return a configuration, or None."""
        found = await store.models.get(tx, row_id)
        return found if found is not None and tx.caller.may_see(found.project) else None

    async def add(self, tx: Transaction, values: Mapping[str, Any]) -> ModelConfiguration:
        """Keep a new configuration of a known project and learner."""
        await references.project(tx, values["project"])
        await _check(tx, values, except_id=None)
        return await store.models.add(tx, **values)

    async def change(
        self, tx: Transaction, row_id: int, values: Mapping[str, Any]
    ) -> ModelConfiguration | None:
        """Change a configuration; models that were trained with it stay as they are."""
        found = await self.get(tx, row_id)
        if found is None:
            return None
        if values.get("project", found.project) != found.project:
            await references.project(tx, values["project"])
        before = {
            "project": found.project,
            "name": found.name,
            "recommender_class_name": found.recommender_class_name,
            "parameters_json": found.parameters_json,
        }
        await _check(tx, before | dict(values), except_id=row_id)
        return await store.models.change(tx, row_id, values)

    async def remove(self, tx: Transaction, row_id: int) -> bool:
        """Delete a configuration and the models made with it."""
        found = await self.get(tx, row_id)
        if found is None:
            return False
        await drop(tx, found, reason="The model configuration was deleted.")
        return True


models = ModelConfigurations()


async def drop(tx: Transaction, configuration: ModelConfiguration, *, reason: str) -> None:
    """Delete a configuration and retire its models."""
    await registry.retire_where(tx, reason=reason, configuration=configuration.id)
    await searches.forget_configuration(tx, configuration.id)
    await schedules.forget(tx, "model_configuration", configuration.id)
    await store.models.remove(tx, configuration.id)


async def drop_where(tx: Transaction, *, reason: str, **where: Any) -> None:
    """Delete all model configurations of a project."""
    for configuration in await store.models.all(tx, **where):
        await drop(tx, configuration, reason=reason)


async def _check(tx: Transaction, values: Mapping[str, Any], *, except_id: int | None) -> None:
    name = values["recommender_class_name"]
    if name not in _RECOMMENDERS:
        text = f"'{name}' is not a valid irspack recommender class."
        raise Invalid(fields={"recommender_class_name": [text]})
    try:
        search_space.complete(name, values["parameters_json"])
    except ValueError as error:
        raise Invalid(fields={"parameters_json": [str(error)]}) from error
    named = values["name"] is not None
    if named and await store.name_is_taken(
        tx, project=values["project"], name=values["name"], except_id=except_id
    ):
        raise Invalid(fields={NON_FIELD: [_NAME_TAKEN]})
