"""Who may send: bearer tokens (RFC 6750), and without any only this machine, and no web page that runs on it."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from gateway.addresses import is_loopback
from gateway.web.message import Response
from gateway.web.outcome import refused

__all__ = ["Guard"]


class Guard:
    """Checks the head of a request, before its body is read. Holds hashes only: a dump shows no token."""

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        self._hashes = tuple(sha256(token.encode()).digest() for token in tokens)

    def check(self, headers: Mapping[str, str]) -> Response | None:
        """None: let it pass."""
        return self._token(headers) if self._hashes else _local(headers)

    def _token(self, headers: Mapping[str, str]) -> Response | None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            return refused(401, "a bearer token is needed", (("WWW-Authenticate", 'Bearer realm="tabellion"'),))
        found = sha256(given.strip().encode()).digest()
        # every one is compared, whichever fits: the time says nothing about the tokens
        fits = [hmac.compare_digest(found, known) for known in self._hashes]
        if any(fits):
            return None
        challenge = 'Bearer realm="tabellion", error="invalid_token"'
        return refused(401, "the bearer token is not known here", (("WWW-Authenticate", challenge),))


def _local(headers: Mapping[str, str]) -> Response | None:
    """Without tokens we listen on loopback only, where a web page in a local browser could send, too: it names another
    host (DNS rebinding) or says where it is from."""
    if not is_loopback(_host(headers.get("host", ""))):
        return refused(421, "this service answers as a loopback host only: set tokens to be reached by another name")
    origin = headers.get("origin", "")
    if origin and not is_loopback(urlsplit(origin).hostname or ""):
        return refused(403, "requests of web pages are not taken without a token")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return refused(403, "requests of web pages are not taken without a token")
    return None


def _host(authority: str) -> str:
    """The host of a Host header."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""
