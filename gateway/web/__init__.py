"""HTTP: a small server on the service's event loop, and a table of routes (RFC 9110, RFC 9112 through h11)."""

from gateway.web.limits import Limits
from gateway.web.message import JSON, Request, Response
from gateway.web.outcome import OUTCOME, Problem, outcome, refused
from gateway.web.router import Handler, Route, Router, in_thread
from gateway.web.server import HttpServer, serve_http
from gateway.web.tokens import Guard

__all__ = [
    "JSON",
    "OUTCOME",
    "Guard",
    "Handler",
    "HttpServer",
    "Limits",
    "Problem",
    "Request",
    "Response",
    "Route",
    "Router",
    "in_thread",
    "outcome",
    "refused",
    "serve_http",
]
