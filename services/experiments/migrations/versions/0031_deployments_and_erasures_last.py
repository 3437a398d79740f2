"""deployments and erasures last."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "auto_deployment",
        sa.Column(
            "project_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("slot_name", sa.String(length=256), nullable=False),
        sa.Column("model_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "slot_name", name=op.f("pk_auto_deployment")),
    )
    with op.batch_alter_table("auto_deployment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_auto_deployment_tenant_id"), ["tenant_id"], unique=False
        )

    op.create_table(
        "erased_person",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=256), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("pk_erased_person")),
    )
    with op.batch_alter_table("active_user", schema=None) as batch_op:
        batch_op.add_column(sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("known_user", schema=None) as batch_op:
        batch_op.add_column(sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("project", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "revision",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                server_default=sa.text("0"),
                nullable=False,
            )
        )

    _remember_what_was_deployed()


def _remember_what_was_deployed() -> None:
    """Give each slot the newest model of its project: all that were announced so far are known."""
    op.execute(
        "INSERT INTO auto_deployment (tenant_id, project_id, slot_name, model_id) "
        "SELECT slot.tenant_id, slot.project_id, slot.name, "
        "MAX(COALESCE(model.id, slot.model_id)) "
        "FROM deployment_slot AS slot LEFT JOIN model "
        "ON model.tenant_id = slot.tenant_id AND model.project_id = slot.project_id "
        "GROUP BY slot.tenant_id, slot.project_id, slot.name"
    )
