"""days keep the number of active users."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("day", schema=None) as batch_op:
        number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
        batch_op.add_column(sa.Column("active_users", number, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("day", schema=None) as batch_op:
        batch_op.drop_column("active_users")
