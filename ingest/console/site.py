"""Site: hangs the console and its API into the application."""

import asyncio
from typing import Any
from urllib.parse import quote

import structlog
from litestar import Litestar, Request, Response, Router
from litestar.config.app import AppConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins import InitPlugin
from litestar.response import Redirect
from litestar.static_files import create_static_files_router
from litestar.types import Message, Scope

from ingest.accounts import first_admin
from ingest.console.api import API
from ingest.console.device_api import DEVICE_API
from ingest.console.device_pages import DEVICE_PAGES
from ingest.console.files import Openings, evidence_file
from ingest.console.forms import FORMS, Throttles
from ingest.console.gate import admit, now_ms
from ingest.console.lamp_api import LAMP_API
from ingest.console.lamp_pages import LAMP_PAGES
from ingest.console.page import STATIC, render
from ingest.console.pages import PAGES

_log = structlog.get_logger()
_BODY_BYTES_MAX = 64 * 1024
_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_SAID = ("400", "403", "404", "405", "413", "422", "429")


class Site(InitPlugin):
    """Everything that people see. The application's state holds ``centre``, ``engine`` and ``changes``."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add routes, headers and the pages for what goes wrong."""
        console = Router(
            "/",
            route_handlers=[*PAGES, *FORMS, *API, *LAMP_API, *DEVICE_API, *LAMP_PAGES, *DEVICE_PAGES],
            guards=[admit],
            request_max_body_size=_BODY_BYTES_MAX,
        )
        static = create_static_files_router(
            "/static",
            [STATIC],
            include_in_schema=False,
            opt={"role": "public"},
            cache_control=None,
            after_request=_keep,
        )
        app_config.route_handlers.extend([console, static, evidence_file])
        app_config.state.throttles = Throttles()
        app_config.state.openings = Openings()
        app_config.on_startup.append(_greet)
        app_config.before_send.append(_add_headers)
        app_config.exception_handlers = {HTTPException: _said, Exception: _broken, **app_config.exception_handlers}
        app_config.openapi_config = OpenAPIConfig(
            title="Wayside",
            version="1",
            path="/schema",
            openapi_router=Router("/schema", route_handlers=[], guards=[admit], opt={"role": "viewer"}),
            render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        )
        return app_config


async def _greet(app: Litestar) -> None:
    """Make the first admin where there is nobody yet, and print the password this once."""
    password = await asyncio.to_thread(first_admin, app.state.engine, now_ms=now_ms())
    if password is not None:
        print(f"wayside: first start, sign in as admin with the password {password}", flush=True)  # noqa: T201


async def _add_headers(message: Message, scope: Scope) -> None:
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if not scope["path"].startswith("/static/"):
        headers.setdefault("Cache-Control", "no-store")


def _keep(response: Response[Any]) -> Response[Any]:
    """Let browsers keep what is static: its address changes with its content."""
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


def _said(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer in the same look, or in JSON where JSON was spoken."""
    if error.status_code >= 500:
        return _broken(request, error)
    if not _is_page(request):
        body = {"status_code": error.status_code, "detail": error.detail}
        if error.extra:
            body["extra"] = error.extra
        return Response(body, status_code=error.status_code, headers=error.headers, media_type="application/json")
    if error.status_code == 401:
        to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Redirect(f"/sign-in?to={quote(to)}" if request.method == "GET" else "/sign-in", status_code=303)
    code = str(error.status_code)
    return render(request, "problem.html", status_code=error.status_code, code=code if code in _SAID else "400")


def _broken(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Write down what nobody foresaw, and say no more than that."""
    _log.error("console.broken", method=request.method, path=request.url.path, exc_info=error)
    if _is_page(request):
        return render(request, "problem.html", status_code=500, code="500")
    return Response({"status_code": 500, "detail": "Internal Server Error"}, status_code=500)


def _is_page(request: Request[Any, Any, Any]) -> bool:
    return not request.url.path.startswith(("/api/", "/schema", "/static/", "/livez", "/readyz", "/metrics"))
