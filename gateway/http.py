"""The HTTP port: /livez, /readyz, /metrics. Read-only, no patient data, so no token is asked for yet.

The standard library's threading server is enough for probes; the FHIR and ingest surfaces bring their own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["HttpPort", "Probe"]

Probe = Callable[[], tuple[int, str, str]]
"""() -> (status, content type, body) of one path."""


class HttpPort:
    """A listener on its own thread; `probes` maps a path to what answers it."""

    def __init__(self, host: str, port: int, probes: dict[str, Probe]) -> None:
        class Handler(BaseHTTPRequestHandler):
            server_version = "tabellion"
            sys_version = ""
            timeout = 10

            def do_GET(self) -> None:
                """Answer one probe."""
                probe = probes.get(self.path.partition("?")[0])
                if probe is None:
                    self._answer(404, "application/json", json.dumps({"error": f"try one of {sorted(probes)}"}))
                else:
                    self._answer(*probe())

            def _answer(self, status: int, kind: str, body: str) -> None:
                data = body.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the library's name)
                """Probes are not worth a log line each."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """host:port that the listener is bound to."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
