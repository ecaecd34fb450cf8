"""Page: a template filled for one request, in its language, for its account."""

import functools
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response

from ingest.accounts import ROLES, may
from ingest.console import show
from ingest.console.gate import now_ms
from ingest.console.language import COOKIE, Words, choose, read_words

_HERE = Path(__file__).parent
STATIC = _HERE / "static"


@functools.cache
def static_url(path: str) -> str:
    """Return the address of a static file, with a mark of its content so that a browser may keep it."""
    return f"/static/{path}?v={hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:10]}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(moment=show.moment, size=show.size, static=static_url, may=may, roles=ROLES)
    return environment


_ENVIRONMENT = _environment()


def render(
    request: Request[Any, Any, Any], template: str, /, *, status_code: int = 200, **values: Any
) -> Response[str]:
    """Return a page; ``?lang=`` chooses a language and is remembered."""
    centre = request.app.state.centre
    language = choose(request, centre.languages)
    words = Words(language)
    now = now_ms()
    session = getattr(request.state, "session", None)
    html = _ENVIRONMENT.get_template(template).render(
        t=words,
        session=session,
        path=request.url.path,
        languages=[(each, read_words(each)["language"]) for each in centre.languages],
        now_ms=now,
        span=functools.partial(show.span, words),
        since=lambda time_ms: show.since(words, time_ms, now),
        fact=functools.partial(show.fact, words),
        **values,
    )
    response = Response(html, media_type=MediaType.HTML, status_code=status_code)
    if request.query_params.get("lang") == language:
        response.set_cookie(COOKIE, language, max_age=365 * 86400, samesite="lax", secure=centre.is_https)
    return response
