"""How times, spans and sizes are written on a page."""

import datetime as dt
from typing import Any

from markupsafe import Markup

from ingest.console.language import Words

_UNKNOWN = Markup("&ndash;")
_FORMS = {"clock": "%H:%M UTC", "second": "%H:%M:%S UTC", "day": "%Y-%m-%d %H:%M UTC", "exact": "%Y-%m-%d %H:%M:%S UTC"}


def moment(time_ms: int | None, form: str = "day") -> Markup:
    """Return an instant as an element that the browser rewrites in its own time zone.

    >>> print(moment(1_700_000_000_000, "clock"))
    <time datetime="2023-11-14T22:13:20.000Z" data-form="clock" title="2023-11-14 22:13:20 UTC">22:13 UTC</time>
    """
    if time_ms is None:
        return _UNKNOWN
    try:
        at = dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):  # an agent's clock may say anything
        return _UNKNOWN
    iso = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    element = Markup('<time datetime="{}" data-form="{}" title="{}">{}</time>')
    return element.format(iso, form, at.strftime(_FORMS["exact"]), at.strftime(_FORMS[form]))


def span(words: Words, seconds: float) -> str:
    """Return a length of time in words, two units at most.

    >>> [span(Words("en"), s) for s in (42, 250, 7_500, 200_000)]
    ['42 s', '4 min', '2 h 5 min', '2 d 7 h']
    """
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if not minutes:
        parts = [("s", whole)]
    elif not hours:
        parts = [("min", minutes)]
    elif not days:
        parts = [("h", hours), ("min", minutes % 60)]
    else:
        parts = [("d", days), ("h", hours % 24)]
    return " ".join(words(f"span.{unit}", n=n) for unit, n in parts if n or len(parts) == 1)


def since(words: Words, time_ms: int, now_ms: int) -> Markup:
    """Return how long ago something began, as an element that the browser keeps counting."""
    text = span(words, (now_ms - time_ms) / 1000)
    return Markup('<span data-since="{}">{}</span>').format(time_ms, text)


def size(n: float) -> str:
    """Return a number of bytes in words.

    >>> size(900), size(151_000), size(4_200_000_000)
    ('900 B', '151 kB', '4.2 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if abs(n) < 1000:
            return f"{n:.0f} {unit}" if unit == "B" or n >= 10 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"


_UNITS = {"s": "s", "ms": "ms", "px": "px", "m": "m", "hz": "Hz", "bytes": "B"}


def fact(words: Words, name: str, value: Any) -> tuple[str, str]:
    """Return label and text of a fact; its unit is the end of its name.

    >>> fact(Words("en"), "visible_s", 31.5), fact(Words("en"), "wheels_px", 4.0)
    (('Seen', '31.5 s'), ('wheels', '4 px'))
    """
    stem, _, last = name.rpartition("_")
    unit = _UNITS.get(last, "") if stem else ""
    label = words.name("fact", name)
    if unit and label == name.replace("_", " "):
        label = stem.replace("_", " ")
    if isinstance(value, bool):
        return label, str(words("fact_yes" if value else "fact_no"))
    if isinstance(value, int | float):
        return label, f"{value:g} {unit}".strip() if abs(value) < 1e6 else f"{value:.0f} {unit}".strip()
    return label, str(value)
