"""Lighting at the centre: what is asked of lamps is limited, signed, published, and followed to its end."""
