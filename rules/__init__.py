"""From stays to events, and from events to cases; pure."""
