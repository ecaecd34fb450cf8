"""Senses: each looks at the pictures of one camera for one purpose; the eyes are composed of them."""
