"""Tables of the training service: its own, and replicas of others' facts."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.clock import now
from chassis.erasures import ErasedPerson
from chassis.tables import BigKey, Identified, LongText, Moment, new_metadata
from chassis.tenancy import TenantScoped

_NEWEST_AT_ONCE = text("algorithm IS NOT NULL AND state IN ('pending', 'running')")


class Base(DeclarativeBase):
    """All tables of this service, outbox and inbox included."""

    metadata = new_metadata()


class SplitConfigRow(Identified, TenantScoped, Base):
    """A way to hold interactions out."""

    __tablename__ = "split_configs"

    name: Mapped[str | None] = mapped_column(String(256))
    scheme: Mapped[str] = mapped_column(String(2))
    heldout_ratio: Mapped[float] = mapped_column(Float)
    n_heldout: Mapped[int | None] = mapped_column(Integer)
    test_user_ratio: Mapped[float] = mapped_column(Float)
    n_test_users: Mapped[int | None] = mapped_column(Integer)
    random_seed: Mapped[int] = mapped_column(Integer)
    created_by: Mapped[int | None] = mapped_column(BigInteger)
    ins_datetime: Mapped[datetime] = mapped_column(Moment, default=now)
    updated_at: Mapped[datetime] = mapped_column(Moment, default=now, onupdate=now)


class EvaluationConfigRow(Identified, TenantScoped, Base):
    """A figure to judge models by."""

    __tablename__ = "evaluation_configs"

    name: Mapped[str | None] = mapped_column(String(256))
    cutoff: Mapped[int] = mapped_column(Integer)
    target_metric: Mapped[str] = mapped_column(String(8))
    created_by: Mapped[int | None] = mapped_column(BigInteger)
    ins_datetime: Mapped[datetime] = mapped_column(Moment, default=now)
    updated_at: Mapped[datetime] = mapped_column(Moment, default=now, onupdate=now)


class ModelConfigurationRow(Identified, TenantScoped, Base):
    """A learner with its parameters."""

    __tablename__ = "model_configurations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "project", "name"),
        {"sqlite_autoincrement": True},
    )

    tuning_job: Mapped[int | None] = mapped_column(BigInteger)
    name: Mapped[str | None] = mapped_column(String(256))
    project: Mapped[int] = mapped_column(BigInteger, index=True)
    recommender_class_name: Mapped[str] = mapped_column(String(128))
    parameters_json: Mapped[dict[str, Any]] = mapped_column(JSON)
    ins_datetime: Mapped[datetime] = mapped_column(Moment, default=now)


class TrainedModelRow(Identified, TenantScoped, Base):
    """A model, trained or on its way."""

    __tablename__ = "trained_models"

    project: Mapped[int | None] = mapped_column(BigInteger, index=True)
    configuration: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("model_configurations.id"), index=True
    )
    data_loc: Mapped[int | None] = mapped_column(BigInteger, index=True)
    algorithm: Mapped[str | None] = mapped_column(String(40))
    version: Mapped[str | None] = mapped_column(String(80))
    learner: Mapped[str | None] = mapped_column(String(128))
    file: Mapped[str | None] = mapped_column(String(300))
    basename: Mapped[str | None] = mapped_column(String(300))
    filesize: Mapped[int | None] = mapped_column(BigInteger)
    irspack_version: Mapped[str | None] = mapped_column(String(16))
    artefact_key: Mapped[str | None] = mapped_column(String(300))
    artefact_digest: Mapped[str | None] = mapped_column(String(64))
    metrics: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    rows_seen: Mapped[int | None] = mapped_column(BigInteger)
    #: When inference said that it can answer by the model; none before, and while it refuses it.
    served_at: Mapped[datetime | None] = mapped_column(Moment)
    #: Why inference does not serve it.
    refusal: Mapped[str | None] = mapped_column(LongText)
    ins_datetime: Mapped[datetime] = mapped_column(Moment, default=now)


class TuningJobRow(Identified, TenantScoped, Base):
    """A search for a learner and its parameters."""

    __tablename__ = "tuning_jobs"

    data: Mapped[int] = mapped_column(BigInteger, index=True)
    project: Mapped[int] = mapped_column(BigInteger, index=True)
    split: Mapped[int] = mapped_column(BigInteger, ForeignKey("split_configs.id"), index=True)
    evaluation: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("evaluation_configs.id"), index=True
    )
    status: Mapped[str] = mapped_column(String(10))
    n_tasks_parallel: Mapped[int] = mapped_column(Integer)
    n_trials: Mapped[int] = mapped_column(Integer)
    memory_budget: Mapped[int] = mapped_column(Integer)
    timeout_overall: Mapped[int | None] = mapped_column(Integer)
    timeout_singlestep: Mapped[int | None] = mapped_column(Integer)
    random_seed: Mapped[int | None] = mapped_column(Integer)
    tried_algorithms_json: Mapped[list[str] | None] = mapped_column(JSON)
    irspack_version: Mapped[str | None] = mapped_column(String(16))
    train_after_tuning: Mapped[bool] = mapped_column(Boolean)
    best_score: Mapped[float | None] = mapped_column(Float)
    tuned_model: Mapped[int | None] = mapped_column(BigInteger)
    best_config: Mapped[int | None] = mapped_column(BigInteger)
    ins_datetime: Mapped[datetime] = mapped_column(Moment, default=now)


class JobRow(Identified, TenantScoped, Base):
    """A piece of work and who holds its lease."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state", "state", "id"),
        # Whose turn it is: when each tenant had its last one.
        Index("ix_jobs_tenant_id_claimed_at", "tenant_id", "claimed_at"),
        Index("ix_jobs_finished_at", "finished_at"),
        # One training at a time per tenant and algorithm, however many ask at once.
        Index(
            "uq_jobs_algorithm_at_work",
            "tenant_id",
            "algorithm",
            unique=True,
            sqlite_where=_NEWEST_AT_ONCE,
            postgresql_where=_NEWEST_AT_ONCE,
        ),
        {"sqlite_autoincrement": True},
    )

    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10))
    order: Mapped[dict[str, Any]] = mapped_column("work_order", JSON)
    project: Mapped[int | None] = mapped_column(BigInteger)
    model_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    tuning_job: Mapped[int | None] = mapped_column(BigInteger, index=True)
    retraining_run: Mapped[int | None] = mapped_column(BigInteger, index=True)
    algorithm: Mapped[str | None] = mapped_column(String(40))
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    error: Mapped[str | None] = mapped_column(LongText)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    max_retries: Mapped[int] = mapped_column(Integer)
    holder: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    #: When somebody last took it.
    claimed_at: Mapped[datetime | None] = mapped_column(Moment)
    not_before: Mapped[datetime | None] = mapped_column(Moment)
    requested_at: Mapped[datetime] = mapped_column(Moment)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    traceparent: Mapped[str | None] = mapped_column(String(80))


class GenerationRow(TenantScoped, Base):
    """Replica: a job of inference that generates recommendations."""

    __tablename__ = "generations"

    job_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    progress: Mapped[float] = mapped_column(Float)
    users_served: Mapped[int] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(LongText)
    #: When inference last told of it; none where a former release heard of it.
    told_at: Mapped[datetime | None] = mapped_column(Moment, index=True)


class LogLineRow(Identified, TenantScoped, Base):
    """One line that a job said."""

    __tablename__ = "task_logs"

    task: Mapped[int] = mapped_column(BigInteger, ForeignKey("jobs.id"), index=True)
    contents: Mapped[str] = mapped_column(LongText)
    ins_datetime: Mapped[datetime] = mapped_column(Moment, default=now)
    updated_at: Mapped[datetime] = mapped_column(Moment, default=now)


class ScheduleRow(Identified, TenantScoped, Base):
    """When a project trains again by itself, and what."""

    __tablename__ = "retraining_schedules"

    project: Mapped[int] = mapped_column(BigInteger, unique=True)
    is_enabled: Mapped[bool] = mapped_column(Boolean)
    cron_expression: Mapped[str] = mapped_column(String(100))
    training_data: Mapped[int | None] = mapped_column(BigInteger)
    model_configuration: Mapped[int | None] = mapped_column(BigInteger)
    retune: Mapped[bool] = mapped_column(Boolean)
    split_config: Mapped[int | None] = mapped_column(BigInteger)
    evaluation_config: Mapped[int | None] = mapped_column(BigInteger)
    max_retries: Mapped[int] = mapped_column(Integer)
    notify_on_failure: Mapped[bool] = mapped_column(Boolean)
    auto_deploy: Mapped[bool] = mapped_column(Boolean)
    last_run_at: Mapped[datetime | None] = mapped_column(Moment)
    last_run_status: Mapped[str | None] = mapped_column(String(10))
    next_run_at: Mapped[datetime | None] = mapped_column(Moment, index=True)
    ins_datetime: Mapped[datetime] = mapped_column(Moment, default=now)
    updated_at: Mapped[datetime] = mapped_column(Moment, default=now, onupdate=now)


class RetrainingRunRow(Identified, TenantScoped, Base):
    """One time that a schedule came due or was triggered."""

    __tablename__ = "retraining_runs"

    schedule: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("retraining_schedules.id"), index=True
    )
    status: Mapped[str] = mapped_column(String(10), index=True)
    trained_model: Mapped[int | None] = mapped_column(BigInteger)
    tuning_job: Mapped[int | None] = mapped_column(BigInteger)
    error_message: Mapped[str] = mapped_column(LongText, default="")
    ins_datetime: Mapped[datetime] = mapped_column(Moment, default=now)
    completed_at: Mapped[datetime | None] = mapped_column(Moment)
    data_rows_at_trigger: Mapped[int | None] = mapped_column(BigInteger)
    data_digest: Mapped[str | None] = mapped_column(String(64))


class AlgorithmRow(TenantScoped, Base):
    """How far an algorithm of a tenant has come."""

    __tablename__ = "algorithms"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    interactions_seen: Mapped[int] = mapped_column(BigInteger, default=0)
    items_seen: Mapped[int] = mapped_column(BigInteger, default=0)
    requested_at: Mapped[datetime | None] = mapped_column(Moment)
    trained_at: Mapped[datetime | None] = mapped_column(Moment)
    model_id: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[str | None] = mapped_column(String(80))
    versions: Mapped[int] = mapped_column(Integer, default=0)


class DiscardedRow(Identified, Base):
    """A blob prefix that nobody needs any more, and since when."""

    __tablename__ = "discarded_artefacts"

    prefix: Mapped[str] = mapped_column(String(300))
    discarded_at: Mapped[datetime] = mapped_column(Moment)


class ProjectRow(TenantScoped, Base):
    """Replica: a project and the column names of its files."""

    __tablename__ = "projects"

    project_id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(256))
    user_column: Mapped[str] = mapped_column(String(256))
    item_column: Mapped[str] = mapped_column(String(256))
    time_column: Mapped[str | None] = mapped_column(String(256))
    owner_id: Mapped[int | None] = mapped_column(BigInteger)
    #: The newest that was heard; older news changes nothing.
    revision: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))


class DataFileRow(TenantScoped, Base):
    """Replica: an uploaded file of one of the two kinds."""

    __tablename__ = "data_files"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    file_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    project_id: Mapped[int] = mapped_column(BigInteger, index=True)
    table_key: Mapped[str | None] = mapped_column(String(1024))
    table_digest: Mapped[str | None] = mapped_column(String(64))
    rows: Mapped[int] = mapped_column(BigInteger)


class ItemRow(TenantScoped, Base):
    """Replica: an item of a tenant's catalogue; one that left it keeps its revision."""

    __tablename__ = "items"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    details: Mapped[dict[str, Any]] = mapped_column("metadata", JSON)
    is_active: Mapped[bool] = mapped_column(Boolean)
    is_deleted: Mapped[bool] = mapped_column(Boolean)
    revision: Mapped[int] = mapped_column(BigInteger)


class InteractionRow(TenantScoped, Base):
    """Replica: an interaction, as little of it as learning needs."""

    __tablename__ = "interactions"
    __table_args__ = (Index("ix_interactions_user", "tenant_id", "user_id"),)

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[str] = mapped_column(String(256))
    item_id: Mapped[str] = mapped_column(String(256))
    weight: Mapped[float] = mapped_column(Float)
    at: Mapped[int] = mapped_column(BigInteger)


class ErasedPersonRow(ErasedPerson, TenantScoped, Base):
    """A person whose earlier facts are not kept, however late they come."""


class TallyRow(TenantScoped, Base):
    """How much a tenant has kept, so that nobody has to count."""

    __tablename__ = "tallies"

    tenant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    interactions: Mapped[int] = mapped_column(BigInteger)
    items: Mapped[int] = mapped_column(BigInteger)
    first_new_at: Mapped[datetime] = mapped_column(Moment)
    last_new_at: Mapped[datetime] = mapped_column(Moment)
