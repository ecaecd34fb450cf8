"""The shell on the box: cameras, inference, outbox, uplink, upload."""
