"""View: what a picture as a whole is like, measured; camera health is told from it."""

import msgspec


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One picture's measures; ratios are to the camera's own reference view."""

    luminance: float
    """Mean grey level, 0 to 255."""
