"""jobs take turns, and old rows are found."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index("ix_jobs_tenant_id_claimed_at", ["tenant_id", "claimed_at"])
        batch_op.create_index("ix_jobs_finished_at", ["finished_at"])

    with op.batch_alter_table("generations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_generations_told_at"), ["told_at"], unique=False)
    # What stands already is kept for as long as what inference tells of from now on.
    op.execute("UPDATE generations SET told_at = CURRENT_TIMESTAMP")


def downgrade() -> None:
    with op.batch_alter_table("generations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_generations_told_at"))
        batch_op.drop_column("told_at")

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_finished_at")
        batch_op.drop_index("ix_jobs_tenant_id_claimed_at")
        batch_op.drop_column("claimed_at")
