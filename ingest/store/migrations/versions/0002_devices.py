"""Cases of devices, not only of cameras."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("cases") as table:
        table.alter_column("camera", existing_type=sa.String(length=41), nullable=True)
        table.alter_column("zone", existing_type=sa.String(length=41), nullable=True)
        table.alter_column("bbox", existing_type=sa.JSON(), nullable=True)
        table.alter_column("size", existing_type=sa.JSON(), nullable=True)
        table.add_column(sa.Column("device", sa.String(length=41), nullable=True))
        table.add_column(sa.Column("urgent", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("cases") as table:
        table.alter_column("urgent", existing_type=sa.Boolean(), server_default=None)
        table.create_index("ix_cases_device_kind_end", ["device", "kind", "end_ms"], unique=False)


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM cases WHERE camera IS NULL"))
    with op.batch_alter_table("cases") as table:
        table.drop_index("ix_cases_device_kind_end")
        table.drop_column("urgent")
        table.drop_column("device")
        for name in ("camera", "zone"):
            table.alter_column(name, existing_type=sa.String(length=41), nullable=False)
        for name in ("bbox", "size"):
            table.alter_column(name, existing_type=sa.JSON(), nullable=False)
