"""The tables of the centre. Times are milliseconds since 1970 UTC; JSON columns hold what the wire brought.

The same tables stand in SQLite and in PostgreSQL; migrations under ``migrations/`` make them.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite counts up only an INTEGER primary key; PostgreSQL wants the eight bytes said.
RowId = BigInteger().with_variant(Integer, "sqlite")

agent = Table(
    "agent",
    metadata,
    Column("id", String(41), primary_key=True),
    Column("state", String(8), nullable=False),  # online | offline
    Column("state_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),  # when anything of it last arrived, centre's clock
    Column("skew_ms", BigInteger),  # centre's clock minus the agent's at the last batch
    Column("status", JSON),  # the last wire.health.Status
    Column("health", JSON),  # the last wire.health.Health
)

cursor = Table(
    "cursor",
    metadata,
    Column("agent", String(41), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("stream", String(16), primary_key=True),
    Column("through_seq", BigInteger, nullable=False),
    Column("above", JSON, nullable=False),  # runs [[first, last], ...] beyond through_seq that are committed
    Column("time_ms", BigInteger, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("phase", String(8), primary_key=True),
    Column("agent", String(41), nullable=False),
    Column("case_id", RowId, nullable=False, index=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("body", JSON, nullable=False),  # wire.event.Event
)

# "case" is a word of SQL's own.
cases = Table(
    "cases",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("merge_key", String(80), nullable=False, unique=True),  # one stay, one case
    Column("kind", String(41), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("agent", String(41), nullable=False),
    Column("camera", String(41)),
    Column("zone", String(41)),
    Column("device", String(41)),  # what raised it, if it was no camera
    Column("rule", String(41), nullable=False),
    Column("label", String(41), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("start_ms", BigInteger, nullable=False),  # the vehicle came to a stand
    Column("opened_ms", BigInteger, nullable=False),  # the rule raised it, agent's clock
    Column("committed_ms", BigInteger, nullable=False),  # the case was committed, centre's clock
    Column("end_ms", BigInteger),  # last seen, once it has left
    Column("latitude", Float),
    Column("longitude", Float),
    Column("bbox", JSON(none_as_null=True)),
    Column("size", JSON(none_as_null=True)),
    Column("urgent", Boolean, nullable=False),
    Column("expects", JSON, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("clock", String(8), nullable=False),
    Column("trace_id", String(32), nullable=False),
    Column("is_complete", Boolean, nullable=False),  # all expected evidence is here, hash checked
    Index("ix_cases_camera_kind_end", "camera", "kind", "end_ms"),
    Index("ix_cases_device_kind_end", "device", "kind", "end_ms"),
    Index("ix_cases_opened_ms", "opened_ms"),
)

# What happened to a case, in order; rows are only ever added.
case_entry = Table(
    "case_entry",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("case_id", RowId, nullable=False, index=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("what", String(32), nullable=False),  # opened | ended | merged | evidence | complete | note
    Column("actor", String(41), nullable=False),  # an agent's id or a user's name
    Column("body", JSON, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("event_id", String(36), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("agent", String(41), nullable=False),
    Column("role", String(16), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("media_type", String(32), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("copy_of", String(64)),
    Column("stored_ms", BigInteger),  # when the whole file was here and its hash was right
    Index("ix_evidence_sha256", "sha256"),
)

observation = Table(
    "observation",
    metadata,
    Column("agent", String(41), nullable=False),
    Column("source", String(41), nullable=False),
    Column("property", String(64), nullable=False),
    Column("feature", String(64), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("number", Float),
    Column("text", Text),
    Column("unit", String(16), nullable=False),
    Column("quality", String(16), nullable=False),
    Column("received_ms", BigInteger, nullable=False),  # centre's clock; an agent's may stand in 1970
    Index("ix_observation_source_property_time_ms", "source", "property", "time_ms"),
    Index("ix_observation_received_ms", "received_ms"),  # by which the old ones are forgotten
)

loss = Table(
    "loss",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("agent", String(41), nullable=False, index=True),
    Column("epoch", String(16), nullable=False),
    Column("stream", String(16), nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    UniqueConstraint("agent", "epoch", "stream", "first_seq", "last_seq"),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of topic and payload: the same one is counted
    Column("topic", Text, nullable=False),
    Column("agent", String(41), nullable=False),
    Column("seq", BigInteger),  # of a message put aside alone; null for a whole payload
    Column("reason", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("name", String(41), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),  # argon2id, PHC string
    Column("role", String(16), nullable=False),  # viewer | operator | engineer | admin
    Column("is_enabled", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

session = Table(
    "session",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("account_id", RowId, nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
)

# Who did what at the centre; rows are only ever added.
audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("actor", String(41), nullable=False),
    Column("action", String(41), nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", JSON, nullable=False),
)

# One row, written by /readyz: who asks whether the centre can commit gets a commit.
pulse = Table(
    "pulse",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("time_ms", BigInteger, nullable=False),
)
