"""Places: what files say of where something is."""

import difflib
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from config.document import Document


def refuse_time_zone(document: Document, key: str, name: str) -> None:
    """Raise ConfigError, with what was probably meant, unless ``name`` is an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        close = difflib.get_close_matches(name, sorted(available_timezones()), n=1)
        suggestion = f"did you mean {close[0]!r}?" if close else "for example 'Asia/Shanghai' or 'Europe/Berlin'"
        raise document.error(key, f"no IANA time zone: {name!r}", suggestion) from None
