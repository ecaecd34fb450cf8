"""The console that people look at, and the HTTP API behind it."""
