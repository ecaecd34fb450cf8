"""Cases of devices, not only of cameras; devices, where they are, lamps and what is asked of them."""

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
    _create_devices()
    _create_lamps()
    _create_commands()


def downgrade() -> None:
    for name in (
        "device",
        "device_group",
        "stranger",
        "fix",
        "lamp",
        "lighting",
        "command",
        "command_part",
        "command_lamp",
    ):
        op.drop_table(name)
    op.execute(sa.text("DELETE FROM cases WHERE camera IS NULL"))
    with op.batch_alter_table("cases") as table:
        table.drop_index("ix_cases_device_kind_end")
        table.drop_column("urgent")
        table.drop_column("device")
        for name in ("camera", "zone"):
            table.alter_column(name, existing_type=sa.String(length=41), nullable=False)
        for name in ("bbox", "size"):
            table.alter_column(name, existing_type=sa.JSON(), nullable=False)


def _create_devices() -> None:
    op.create_table(
        "device",
        sa.Column("id", sa.String(length=41), nullable=False),
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.Column("link", sa.String(length=41), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("area", sa.String(length=41), nullable=False),
        sa.Column("circuit", sa.String(length=41), nullable=False),
        sa.Column("rated_w", sa.Float(), nullable=True),
        sa.Column("component", sa.String(length=64), nullable=False),
        sa.Column("is_removed", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("sent_ms", sa.BigInteger(), nullable=False),
        sa.Column("presence", sa.String(length=8), nullable=False),
        sa.Column("presence_ms", sa.BigInteger(), nullable=False),
        sa.Column("presence_reason", sa.Text(), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=True),
        sa.Column("fix", sa.JSON(), nullable=True),
        sa.Column("fix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
    )
    op.create_index("ix_device_agent", "device", ["agent"], unique=False)
    op.create_index("ix_device_role_area", "device", ["role", "area"], unique=False)
    op.create_index("ix_device_role_circuit", "device", ["role", "circuit"], unique=False)
    op.create_table(
        "device_group",
        sa.Column("device", sa.String(length=41), nullable=False),
        sa.Column("name", sa.String(length=41), nullable=False),
        sa.PrimaryKeyConstraint("device", "name", name=op.f("pk_device_group")),
    )
    op.create_index("ix_device_group_name", "device_group", ["name"], unique=False)
    op.create_table(
        "stranger",
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("link", sa.String(length=41), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sample", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("agent", "link", "address", name=op.f("pk_stranger")),
    )
    op.create_table(
        "fix",
        sa.Column("device", sa.String(length=41), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("is_positioned", sa.Boolean(), nullable=False),
        sa.Column("speed_km_h", sa.Float(), nullable=True),
        sa.Column("course_deg", sa.Float(), nullable=True),
        sa.Column("mileage_km", sa.Float(), nullable=True),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", "time_ms", name=op.f("pk_fix")),
    )
    op.create_index("ix_fix_received_ms", "fix", ["received_ms"], unique=False)


def _create_lamps() -> None:
    op.create_table(
        "lamp",
        sa.Column("device", sa.String(length=41), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("desired", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(length=41), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reported", sa.Integer(), nullable=True),
        sa.Column("proven", sa.Integer(), nullable=True),
        sa.Column("proof", sa.String(length=16), nullable=False),
        sa.Column("fault", sa.String(length=41), nullable=False),
        sa.Column("current_a", sa.Float(), nullable=True),
        sa.Column("power_w", sa.Float(), nullable=True),
        sa.Column("energy_kwh", sa.Float(), nullable=True),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("day_kwh", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_lamp")),
    )
    op.create_table(
        "lighting",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lighting")),
    )
    op.execute(sa.text("INSERT INTO lighting (id, version) VALUES (1, 0)"))


def _create_commands() -> None:
    op.create_table(
        "command",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("action", sa.String(length=8), nullable=False),
        sa.Column("level", sa.Integer(), nullable=True),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("selection", sa.JSON(), nullable=False),
        sa.Column("schedules", sa.Text(), nullable=False),
        sa.Column("lamp_count", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=41), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("over", sa.JSON(), nullable=False),
        sa.Column("approved_by", sa.String(length=41), nullable=False),
        sa.Column("approved_ms", sa.BigInteger(), nullable=True),
        sa.Column("approval_reason", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("issued_ms", sa.BigInteger(), nullable=True),
        sa.Column("not_after_ms", sa.BigInteger(), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_command")),
        sa.UniqueConstraint("version", name=op.f("uq_command_version")),
    )
    op.create_index("ix_command_asked_ms", "command", ["asked_ms"], unique=False)
    op.create_index("ix_command_issued_ms", "command", ["issued_ms"], unique=False)
    op.create_index("ix_command_state", "command", ["state"], unique=False)
    op.create_table(
        "command_part",
        sa.Column("command_id", sa.String(length=36), nullable=False),
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("published_ms", sa.BigInteger(), nullable=True),
        sa.Column("publishes", sa.Integer(), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=True),
        sa.Column("stage", sa.String(length=24), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("command_id", "agent", name=op.f("pk_command_part")),
    )
    op.create_table(
        "command_lamp",
        sa.Column("command_id", sa.String(length=36), nullable=False),
        sa.Column("lamp", sa.String(length=41), nullable=False),
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("stage", sa.String(length=24), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("accepted_ms", sa.BigInteger(), nullable=True),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("reported_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("command_id", "lamp", name=op.f("pk_command_lamp")),
    )
    op.create_index("ix_command_lamp_lamp", "command_lamp", ["lamp"], unique=False)
