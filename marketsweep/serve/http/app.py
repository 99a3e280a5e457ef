"""The HTTP application: the API, the page, and the checks before both.

1. `Guard` refuses unknown hosts, other sites, and large bodies.
2. `Access` refuses requests without a token of the scope of the endpoint, where tokens are needed.
3. A request is decoded to the parameters of its endpoint.
4. If the client has the answer already (`If-None-Match`), nothing is computed.
5. `Workers` compute the result on a thread, and cancel it when the client has gone.
6. `answer` writes the result in the format that was asked for.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec
from anyio import to_thread
from msgspec import structs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from marketsweep.errors import ConditionError, MarketsweepError, UsageError
from marketsweep.serve.api.decoding import decode
from marketsweep.serve.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from marketsweep.serve.api.problem import Problem
from marketsweep.serve.api.service import Service
from marketsweep.serve.http.access import Access
from marketsweep.serve.http.answers import (
    GZIP_LEVEL,
    JSON,
    SMALLEST_GZIP,
    answer,
    compressed,
    has_tag,
    json_bytes,
)
from marketsweep.serve.http.events import sync_events
from marketsweep.serve.http.guard import Guard
from marketsweep.serve.http.metrics import PATH, Metered, Metrics
from marketsweep.serve.http.openapi import openapi
from marketsweep.serve.http.problems import problem_response
from marketsweep.serve.http.work import Workers
from marketsweep.serve.reach import Reach
from marketsweep.serve.tokens import VARIABLE, Tokens

_PAGE: Final = Path(str(files("marketsweep.serve") / "page"))
_CHARTS: Final = Path(str(files("marketsweep.output.charts") / "assets"))
_THIS_MACHINE: Final = Reach()
_IN_QUERY: Final = ("GET", "HEAD", "DELETE")
"""Methods whose parameters stand in the query."""


def create_app(service: Service, reach: Reach = _THIS_MACHINE) -> Starlette:
    """Return the application of a service, for those that can reach it.

    Raises UsageError if requests need a token and there is none.
    """
    workers, metrics = Workers(), Metrics(service)
    is_open = reach.is_private and not os.environ.get(VARIABLE)
    tokens = None if is_open else Tokens(service.folder)
    if tokens is not None and not tokens:
        raise UsageError(
            "other machines can reach this server, and there is no token: marketsweep token create "
            "--scope scan makes one, or set MARKETSWEEP_TOKEN"
        )
    access = Access(tokens)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        workers.close()

    routes: list[BaseRoute] = [
        Route(
            PREFIX + endpoint.path,
            _handler(endpoint, service, workers, access),
            methods=list(endpoint.methods),
        )
        for endpoint in ENDPOINTS
    ]
    document = json_bytes(openapi(ENDPOINTS))
    return Starlette(
        routes=[
            *routes,
            Route(f"{PREFIX}/sync", partial(_follow_sync, service, access)),
            Route("/metrics", partial(_metrics, metrics, access)),
            *access.routes(),
            Route("/openapi.json", _constant(document)),
            Route("/healthz", _constant(b'{"status":"ok"}')),
            Route("/readyz", partial(_ready, service)),
            Route("/", _index),
            Route("/page/vendor/lightweight-charts.js", _chart_library),
            Mount("/page", StaticFiles(directory=_PAGE)),
        ],
        middleware=[
            Middleware(Metered, metrics=metrics),
            Middleware(Guard, reach=reach),
            *([_cors(reach.origins)] if reach.origins else []),
            Middleware(GZipMiddleware, minimum_size=SMALLEST_GZIP, compresslevel=GZIP_LEVEL),
        ],
        exception_handlers={
            Problem: partial(_on_error, service.folder),
            MarketsweepError: partial(_on_error, service.folder),
            HTTPException: _on_http_error,
        },
        lifespan=lifespan,
    )


def _cors(origins: Sequence[str]) -> Middleware:
    """Allow pages of these sites to send requests with a token, and to read the answers."""
    return Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["authorization", "content-type", "if-none-match"],
        expose_headers=["etag", "retry-after"],
    )


def _handler(
    endpoint: Endpoint, service: Service, workers: Workers, access: Access
) -> Callable[[Request], Awaitable[Response]]:
    name = endpoint.path.split("/")[1]
    has_condition = "condition" in endpoint.parameters.__struct_fields__

    async def handle(request: Request) -> Response:
        request.scope[PATH] = endpoint.path
        access.require(request, endpoint.scope)
        sent = await _sent(request, has_condition=has_condition)
        is_text = request.method in _IN_QUERY
        parameters = decode(endpoint.parameters, {**sent, **request.path_params}, texts=is_text)

        def work() -> Response:
            service.catch_up()
            tag = service.tag(endpoint.path, parameters) if endpoint.reads else None
            if tag and has_tag(request.headers.get("if-none-match", ""), tag):
                return Response(status_code=304, headers={"ETag": tag})
            try:
                result = endpoint.work(service, parameters)
            except ConditionError as error:
                return problem_response(error, structs.asdict(parameters), service.folder)
            response = answer(result, getattr(parameters, "format", "json"), name, tag)
            return compressed(response, request.headers.get("accept-encoding", ""))

        return await workers.run(request, work, endpoint.seconds)

    return handle


async def _sent(request: Request, *, has_condition: bool) -> dict[str, Any]:
    """Return the parameters of a request as they were sent. Raises Problem and UsageError."""
    if request.method in _IN_QUERY:
        sent: dict[str, Any] = dict(request.query_params)
        if len(sent) != len(request.query_params.multi_items()):
            raise UsageError("a parameter was given twice")
        if "q" in sent and has_condition:
            if "condition" in sent:
                raise UsageError("condition was given twice: q is another name of it")
            sent["condition"] = sent.pop("q")
        return sent
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Problem(415, "content_type", f"the body of a {request.method} must be {JSON}")
    try:
        body = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(400, "json", f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Problem(400, "json", "the body must be a JSON object")
    return body


def _constant(body: bytes) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return Response(body, media_type=JSON)

    return handle


async def _follow_sync(service: Service, access: Access, request: Request) -> Response:
    access.require(request, "read")
    if request.method == "HEAD":
        return Response(media_type="text/event-stream")
    return sync_events(service.sync)


async def _ready(service: Service, request: Request) -> Response:
    """Say whether the data folder has a session to scan; it need not wait for other requests."""

    def work() -> bytes:
        with service.market.view() as view:
            newest = view.snapshot.newest
        if newest is None:
            raise Problem(503, "no_data", "there is no session yet: run marketsweep sync")
        return json_bytes({"status": "ready", "newest": newest})

    return Response(await to_thread.run_sync(work), media_type=JSON)


async def _metrics(metrics: Metrics, access: Access, request: Request) -> Response:
    access.require(request, "read")
    return await to_thread.run_sync(metrics.response)


async def _index(request: Request) -> Response:
    return FileResponse(_PAGE / "index.html")


async def _chart_library(request: Request) -> Response:
    return FileResponse(_CHARTS / "lightweight-charts.js")


async def _on_error(folder: Path, request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem | MarketsweepError)
    return problem_response(error, folder=folder)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method"}.get(error.status_code, "http")
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return problem_response(Problem(error.status_code, code, detail, dict(error.headers or {})))
