"""Template: text with names in braces, as ``dali-{n}`` or ``{month:02}/{day:02}``; nothing else can stand in them."""

import re
from collections.abc import Callable, Mapping

_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)(?::0([1-9]))?\}")


def names_in(template: str) -> list[str]:
    """Return the names that a template needs."""
    return [found[1] for found in _PLACE.finditer(template)]


def is_template(text: str) -> bool:
    """Return whether all braces in ``text`` are those of names."""
    return not set("{}") & set(_PLACE.sub("", text))


def renderer(template: str) -> Callable[[Mapping[str, str]], str]:
    """Return what puts texts in the place of names; a name that was not read is left out.

    >>> renderer("{month:02}/{day:02}")({"month": "5", "day": "17"})
    '05/17'
    """
    before, _, rest = template.partition("{")
    name, _, behind = rest.partition("}")
    if name.isidentifier() and "{" not in behind:
        return lambda names: f"{before}{names.get(name, '')}{behind}"

    def put(names: Mapping[str, str]) -> str:
        return _PLACE.sub(lambda found: names.get(found[1], "").zfill(int(found[2] or 0)), template)

    return put


def read(template: str, text: str) -> dict[str, str] | None:
    """Return what stands in the place of each name, or none if ``text`` is not made by the template.

    >>> read("{month:02}/{day:02}", "05/17")
    {'month': '05', 'day': '17'}
    """
    parts = _PLACE.split(template)
    pattern = "".join(
        re.escape(part) if number % 3 == 0 else f"(?P<{part}>[^/:.]+)" if number % 3 == 1 else ""
        for number, part in enumerate(parts)
    )
    found = re.fullmatch(pattern, text)
    return found.groupdict() if found else None
