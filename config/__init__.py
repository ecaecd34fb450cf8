"""Typed YAML documents whose errors name file, line and key."""
