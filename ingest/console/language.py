"""Words: every sentence of the console, from one file per language."""

import functools
from pathlib import Path
from typing import Any

import yaml
from litestar import Request
from markupsafe import Markup, escape

_FOLDER = Path(__file__).parent / "words"
COOKIE = "lang"


@functools.cache
def read_words(language: str) -> dict[str, str]:
    """Return the sentences of a language by their dotted keys."""
    return dict(_flat(yaml.safe_load((_FOLDER / f"{language}.yaml").read_text("utf-8")), ""))


def _flat(tree: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        found.extend(_flat(value, f"{name}.") if isinstance(value, dict) else [(name, str(value))])
    return found


class Words:
    """Says things in one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._words = read_words(language)

    def __call__(self, key: str, **values: object) -> Markup:
        """Return a sentence with its ``{places}`` filled; a value that is no Markup is shown as text.

        A key that ends in ``_one`` is taken for ``n == 1``.
        """
        if values.get("n") == 1:
            key = key + "_one" if key + "_one" in self._words else key
        return Markup(escape(self._words[key])).format(**values)  # noqa: S704  # escaped just here

    def group(self, group: str) -> dict[str, str]:
        """Return the words of a group by their codes."""
        return {key.removeprefix(f"{group}."): word for key, word in self._words.items() if key.startswith(f"{group}.")}

    def name(self, group: str, code: str) -> str:
        """Return the word for a code from the wire, or the code itself when nobody has named it.

        >>> Words("en").name("kind", "illegal_parking"), Words("en").name("kind", "flying_carpet")
        ('Illegal parking', 'flying carpet')
        """
        return self._words.get(f"{group}.{code}") or code.replace("_", " ")


def choose(request: Request[Any, Any, Any], languages: tuple[str, ...]) -> str:
    """Return the language for a request: what was asked for, else chosen before, else what the browser prefers."""
    for wanted in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if wanted in languages:
            return str(wanted)
    for offer in request.headers.get("accept-language", "").split(","):
        spoken = offer.split(";")[0].strip().lower().split("-")[0]
        if spoken in languages:
            return spoken
    return languages[0]
