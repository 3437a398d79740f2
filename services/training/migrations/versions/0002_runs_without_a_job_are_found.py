"""runs without a job are found."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("ix_jobs_retraining_run", ["retraining_run"], unique=False)
    with op.batch_alter_table("retraining_runs", schema=None) as batch_op:
        batch_op.create_index("ix_retraining_runs_status", ["status"], unique=False)
