"""Senses: the work on pixels, one kind in each module; the eyes are composed of them."""
