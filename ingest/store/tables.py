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

# One row a device, whatever of it came first: its card, a sign of life, where it is.
device = Table(
    "device",
    metadata,
    Column("id", String(41), primary_key=True),
    Column("agent", String(41), nullable=False, index=True),  # whose it is; another may not speak of it
    Column("role", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("profile", String(64), nullable=False),
    Column("link", String(41), nullable=False),
    Column("address", String(64), nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("area", String(41), nullable=False),
    Column("circuit", String(41), nullable=False),
    Column("rated_w", Float),
    Column("component", String(64), nullable=False),
    Column("is_removed", Boolean, nullable=False),
    Column(
        "epoch", String(16), nullable=False
    ),  # epoch, seq, sent_ms: of the card, so that an older one changes nothing
    Column("seq", BigInteger, nullable=False),  # 0 until there is a card
    Column("sent_ms", BigInteger, nullable=False),
    Column("presence", String(8), nullable=False),  # unheard | live | late | offline
    Column("presence_ms", BigInteger, nullable=False),
    Column("presence_reason", Text, nullable=False),
    Column("heard_ms", BigInteger),
    Column("fix", JSON(none_as_null=True)),  # the last wire.fix.Fix
    Column("fix_ms", BigInteger, nullable=False),
    Index("ix_device_role_area", "role", "area"),
    Index("ix_device_role_circuit", "role", "circuit"),
)

device_group = Table(
    "device_group",
    metadata,
    Column("device", String(41), primary_key=True),
    Column("name", String(41), primary_key=True),
    Index("ix_device_group_name", "name"),
)

# The census queue: who speaks and is named nowhere.
stranger = Table(
    "stranger",
    metadata,
    Column("agent", String(41), primary_key=True),
    Column("link", String(41), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("sample", String(64), nullable=False),
)

fix = Table(
    "fix",
    metadata,
    Column("device", String(41), primary_key=True),
    Column("time_ms", BigInteger, primary_key=True),
    Column("latitude", Float, nullable=False),
    Column("longitude", Float, nullable=False),
    Column("is_positioned", Boolean, nullable=False),
    Column("speed_km_h", Float),
    Column("course_deg", Float),
    Column("mileage_km", Float),
    Column("flags", JSON, nullable=False),
    Column("is_late", Boolean, nullable=False),
    Column("received_ms", BigInteger, nullable=False, index=True),
)

# The last wire.command.LampState of each lamp.
lamp = Table(
    "lamp",
    metadata,
    Column("device", String(41), primary_key=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("desired", Integer, nullable=False),
    Column("why", String(16), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("until_ms", BigInteger),
    Column("actor", String(41), nullable=False),
    Column("reason", Text, nullable=False),
    Column("reported", Integer),
    Column("proven", Integer),
    Column("proof", String(16), nullable=False),
    Column("fault", String(41), nullable=False),
    Column("current_a", Float),
    Column("power_w", Float),
    Column("energy_kwh", Float),
    Column("day", String(10), nullable=False),  # of energy_kwh, in the centre's time zone
    Column("day_kwh", Float),  # what the meter showed when that day began
)

# One row: whoever orders lamps holds it, so that orders are numbered and limited one after the other.
lighting = Table(
    "lighting",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)

# What was asked of lamps or of a gateway's schedules, and how far it has come.
command = Table(
    "command",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(8), nullable=False),  # command | schedule
    Column("action", String(8), nullable=False),
    Column("level", Integer),
    Column("minutes", Integer),
    Column("selection", JSON, nullable=False),
    Column("schedules", Text, nullable=False),
    Column("lamp_count", Integer, nullable=False),
    Column("actor", String(41), nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),  # waiting (for an approval) | issued | ended | lapsed
    Column("over", JSON, nullable=False),  # the limits that it would pass, each in words
    Column("approved_by", String(41), nullable=False),
    Column("approved_ms", BigInteger),
    Column("approval_reason", Text, nullable=False),
    Column("version", BigInteger, unique=True),
    Column("issued_ms", BigInteger),
    Column("not_after_ms", BigInteger),
    Column("until_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Index("ix_command_asked_ms", "asked_ms"),
    Index("ix_command_issued_ms", "issued_ms"),
    Index("ix_command_state", "state"),
)

# What of a command goes to one gateway.
command_part = Table(
    "command_part",
    metadata,
    Column("command_id", String(36), primary_key=True),
    Column("agent", String(41), primary_key=True),
    Column("payload", LargeBinary),  # wire.command.SignedCommand, once it is issued
    Column("published_ms", BigInteger),
    Column("publishes", Integer, nullable=False),
    Column("heard_ms", BigInteger),  # the first ack, centre's clock
    Column("stage", String(24), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)

command_lamp = Table(
    "command_lamp",
    metadata,
    Column("command_id", String(36), primary_key=True),
    Column("lamp", String(41), primary_key=True),
    Column("agent", String(41), nullable=False),
    Column("stage", String(24), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("accepted_ms", BigInteger),
    Column("sent_ms", BigInteger),
    Column("reported_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Index("ix_command_lamp_lamp", "lamp"),
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
