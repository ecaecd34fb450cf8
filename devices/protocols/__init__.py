"""How devices speak: one module a protocol, bytes to readings."""
