"""What the centre counts of itself, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

registry = CollectorRegistry()

messages = Counter("ingest_messages", "Messages committed, by type.", ["type"], registry=registry)
repeated = Counter("ingest_duplicates", "Messages that were here already.", registry=registry)
rejected = Counter("ingest_rejected", "Messages put aside as dead letters.", registry=registry)
unreadable = Counter("ingest_unreadable", "Payloads put aside whole as dead letters.", registry=registry)
failures = Counter("ingest_database_failures", "Transactions that the database could not take.", registry=registry)
receipts = Counter("ingest_receipts", "Receipts sent.", registry=registry)
orders = Counter("ingest_orders", "Signed orders given to the broker.", registry=registry)
connects = Counter("ingest_broker_connects", "Connections made to the broker.", registry=registry)
is_connected = Gauge("ingest_broker_connected", "1 while the broker is connected.", registry=registry)
last_commit = Gauge("ingest_last_commit_timestamp_seconds", "When the last group was committed.", registry=registry)
evidence_bytes = Counter("ingest_evidence_bytes", "Bytes of evidence taken in.", registry=registry)
commit_seconds = Histogram(
    "ingest_commit_seconds",
    "Time that a group took to be committed.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
    registry=registry,
)
lag_seconds = Histogram(
    "ingest_lag_seconds",
    "Time from the agent's sending of a batch to its commit, by both clocks.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 100, 1_000, 10_000),
    registry=registry,
)
