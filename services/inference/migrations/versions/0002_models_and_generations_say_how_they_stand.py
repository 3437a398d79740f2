"""models say whether they serve, and generations how far they are."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("generation", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("users_served", sa.Integer(), server_default="0", nullable=False)
        )
        batch_op.add_column(sa.Column("users_total", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("not_before", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("error", sa.Text(), nullable=True))

    with op.batch_alter_table("model_version", schema=None) as batch_op:
        batch_op.add_column(sa.Column("told", sa.String(length=16), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("model_version", schema=None) as batch_op:
        batch_op.drop_column("told")

    with op.batch_alter_table("generation", schema=None) as batch_op:
        batch_op.drop_column("error")
        batch_op.drop_column("not_before")
        batch_op.drop_column("moved_at")
        batch_op.drop_column("users_total")
        batch_op.drop_column("users_served")
