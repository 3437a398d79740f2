"""Split, evaluation and model configurations."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, select

from chassis.database import Transaction
from training.domain.configurations import EvaluationConfig, ModelConfiguration, SplitConfig
from training.store.rows import Rows
from training.store.tables import EvaluationConfigRow, ModelConfigurationRow, SplitConfigRow

splits = Rows(SplitConfigRow, SplitConfig, newest="ins_datetime")
evaluations = Rows(EvaluationConfigRow, EvaluationConfig, newest="ins_datetime")
models = Rows(ModelConfigurationRow, ModelConfiguration)


async def find_named(
    tx: Transaction,
    rows: Rows[Any],
    *,
    where: Mapping[str, Any],
    offset: int,
    limit: int,
    maker: int | None = None,
) -> tuple[list[Any], int]:
    """Return a page of configurations; `unnamed` chooses by whether they have a name at all, and
    `maker` those that this person made, or nobody.
    """
    wanted = dict(where)
    also: list[ColumnElement[bool]] = []
    if "unnamed" in wanted:
        name = rows.row.name
        also.append(name.is_(None) if wanted.pop("unnamed") else name.is_not(None))
    if maker is not None:
        also.append(rows.row.created_by.is_(None) | (rows.row.created_by == maker))
    return await rows.find(tx, where=wanted, offset=offset, limit=limit, also=also)


async def name_is_taken(
    tx: Transaction, *, project: int, name: str, except_id: int | None = None
) -> bool:
    """Tell whether another model configuration of the project has this name."""
    row = ModelConfigurationRow
    query = select(row.id).where(row.project == project, row.name == name)
    if except_id is not None:
        query = query.where(row.id != except_id)
    return await tx.session.scalar(query.limit(1)) is not None
