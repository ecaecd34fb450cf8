"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_agents()
    _create_cases()
    _create_observations_and_accounts()


def downgrade() -> None:
    for table in (
        "agent",
        "cursor",
        "loss",
        "dead_letter",
        "event",
        "cases",
        "case_entry",
        "evidence",
        "observation",
        "account",
        "session",
        "audit",
        "pulse",
    ):
        op.drop_table(table)


def _create_agents() -> None:
    op.create_table(
        "agent",
        sa.Column("id", sa.String(length=41), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("state_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.JSON(), nullable=True),
        sa.Column("health", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent")),
    )
    op.create_table(
        "cursor",
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("stream", sa.String(length=16), nullable=False),
        sa.Column("through_seq", sa.BigInteger(), nullable=False),
        sa.Column("above", sa.JSON(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agent", "epoch", "stream", name=op.f("pk_cursor")),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
        sa.UniqueConstraint("digest", name=op.f("uq_dead_letter_digest")),
    )
    op.create_table(
        "loss",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("stream", sa.String(length=16), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loss")),
        sa.UniqueConstraint(
            "agent",
            "epoch",
            "stream",
            "first_seq",
            "last_seq",
            name=op.f("uq_loss_agent_epoch_stream_first_seq_last_seq"),
        ),
    )
    op.create_index(op.f("ix_loss_agent"), "loss", ["agent"], unique=False)


def _create_cases() -> None:
    op.create_table(
        "case_entry",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("case_id", ROW_ID, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=41), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_entry")),
    )
    op.create_index(op.f("ix_case_entry_case_id"), "case_entry", ["case_id"], unique=False)
    op.create_table(
        "cases",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("merge_key", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=41), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("camera", sa.String(length=41), nullable=False),
        sa.Column("zone", sa.String(length=41), nullable=False),
        sa.Column("rule", sa.String(length=41), nullable=False),
        sa.Column("label", sa.String(length=41), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("committed_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("bbox", sa.JSON(), nullable=False),
        sa.Column("size", sa.JSON(), nullable=False),
        sa.Column("expects", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("clock", sa.String(length=8), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("merge_key", name=op.f("uq_cases_merge_key")),
    )
    op.create_index("ix_cases_camera_kind_end", "cases", ["camera", "kind", "end_ms"], unique=False)
    op.create_index("ix_cases_opened_ms", "cases", ["opened_ms"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("phase", sa.String(length=8), nullable=False),
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("case_id", ROW_ID, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", "phase", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_case_id"), "event", ["case_id"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("copy_of", sa.String(length=64), nullable=True),
        sa.Column("stored_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", "sha256", name=op.f("pk_evidence")),
    )
    op.create_index("ix_evidence_sha256", "evidence", ["sha256"], unique=False)


def _create_observations_and_accounts() -> None:
    op.create_table(
        "account",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=41), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("name", name=op.f("uq_account_name")),
    )
    op.create_table(
        "audit",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=41), nullable=False),
        sa.Column("action", sa.String(length=41), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "observation",
        sa.Column("agent", sa.String(length=41), nullable=False),
        sa.Column("source", sa.String(length=41), nullable=False),
        sa.Column("property", sa.String(length=64), nullable=False),
        sa.Column("feature", sa.String(length=64), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Float(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index(
        "ix_observation_source_property_time_ms", "observation", ["source", "property", "time_ms"], unique=False
    )
    op.create_index("ix_observation_received_ms", "observation", ["received_ms"], unique=False)
    op.create_table(
        "pulse",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pulse")),
    )
    op.create_table(
        "session",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_account_id"), "session", ["account_id"], unique=False)
