"""Figures of the server for Prometheus: requests, their times, the data and its age."""

from __future__ import annotations

import datetime as dt
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from marketsweep.core.calendar import last_closed_session, sessions_distance
from marketsweep.serve.api.service import Service

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper limits of the counted times, in seconds."""

PATH: Final = "marketsweep.path"
"""Key of a request's scope under which a handler puts the path of its endpoint."""


class Metrics:
    """What one server counts."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "marketsweep_requests",
            "Requests that were answered",
            ("path", "method", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "marketsweep_request_seconds",
            "Seconds from a request to the end of its answer",
            ("path",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._gauges = {
            name: Gauge(f"marketsweep_{name}", text, registry=self._registry)
            for name, text in (
                ("data_version", "Version of the data that is served"),
                ("sessions", "Stored sessions"),
                ("symbols", "Symbols with stored bars"),
                ("sessions_behind", "Sessions that closed after the newest stored one"),
            )
        }

    def response(self) -> Response:
        """Return all figures as text."""
        with self._service.market.view() as view:
            snapshot = view.snapshot
            values = {
                "data_version": view.version,
                "sessions": len(snapshot.sessions),
                "symbols": len(snapshot.symbols),
            }
            if snapshot.newest:
                closed = last_closed_session(dt.datetime.now(dt.UTC))
                values["sessions_behind"] = sessions_distance(snapshot.newest, closed)
        for name, value in values.items():
            self._gauges[name].set(value)
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})


class Metered:
    """ASGI middleware: counts and times requests by endpoint; other paths are counted together."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = perf_counter()
        try:
            await self._app(scope, receive, send_noted)
        finally:
            path = scope.get(PATH, "other")
            # A client may invent methods: each label of its own would stay in memory.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(path, method, str(status)).inc()
            self._metrics.seconds.labels(path).observe(perf_counter() - began)
