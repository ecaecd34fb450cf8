"""Bytes that devices send, turned into readings by data; no I/O, no clock."""
