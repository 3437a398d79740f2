"""tests keep the deal of their start."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("ab_test", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "deal_test_id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
            )
        )
        batch_op.add_column(sa.Column("control_weight", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("variant_weight", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("control_low", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("control_high", sa.Double(), nullable=True))
