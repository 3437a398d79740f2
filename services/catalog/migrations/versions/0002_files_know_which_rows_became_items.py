"""files know which rows became items."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("data_file", schema=None) as batch_op:
        batch_op.add_column(sa.Column("items_from", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("item_column", sa.String(length=256), nullable=True))
        batch_op.create_index(
            "ix_data_file_items_from",
            ["id"],
            unique=False,
            sqlite_where=sa.text("items_from IS NOT NULL"),
            postgresql_where=sa.text("items_from IS NOT NULL"),
        )
