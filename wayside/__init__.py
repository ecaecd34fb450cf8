"""The face of the project: the `wayside` command, the demo, a street of our own."""
