"""Senses: each looks at one camera's pictures for one thing, and says it in a form that a tick can carry."""
