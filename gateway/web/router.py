"""The table of routes: method and path → handler. A surface adds rows; nothing else knows the paths."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from gateway.web.message import Request, Response
from gateway.web.outcome import refused

__all__ = ["Handler", "Route", "Router", "in_thread"]

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row. `path` as `/ingest/{format}`; `open`: asks for no token (probes); `limit`: bytes of a body, None = the
    listener's. A handler runs on the event loop, which acknowledges messages: what blocks or computes goes
    through `in_thread`."""

    method: str
    path: str
    handler: Handler
    open: bool = False
    limit: int | None = None


def in_thread(work: Callable[[Request], Response]) -> Handler:
    """A handler that runs on a thread, so that the event loop goes on."""

    async def handler(request: Request) -> Response:
        return await asyncio.to_thread(work, request)

    return handler


class Router:
    """Finds the row of a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(_pattern(route.path), route) for route in routes]

    def find(self, method: str, target: str) -> tuple[Route, Mapping[str, str]] | Response:
        """The row and its path parameters, or the answer where there is none. HEAD is a GET without its body."""
        path = target.partition("?")[0]
        wanted = "GET" if method == "HEAD" else method
        allowed: list[str] = []
        for pattern, route in self._routes:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            if route.method == wanted:
                return route, {name: unquote(text) for name, text in found.groupdict().items()}
            allowed += ["GET", "HEAD"] if route.method == "GET" else [route.method]
        if allowed:
            names = ", ".join(sorted(set(allowed)))
            return refused(405, f"this path takes {names}", (("Allow", names),))
        return refused(404, f"no such path; there are {', '.join(sorted({each.path for _, each in self._routes}))}")


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    texts = [f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)]
    return re.compile("".join(texts))
