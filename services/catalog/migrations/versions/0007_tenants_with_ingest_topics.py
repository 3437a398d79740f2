"""tenants that have ingest topics are noted."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ingest_tenant",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_ingest_tenant")),
    )
    # The release before this one made topics for every tenant with its registration, as it made a
    # default project: whoever writes to them finds them again on a Kafka that has lost them.
    op.execute(
        "INSERT INTO ingest_tenant (tenant_id, opened_at) "
        "SELECT tenant_id, ins_datetime FROM project WHERE is_default"
    )
