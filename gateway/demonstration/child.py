"""The service of the demo: the same command that a user would type, as a child process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from gateway.errors import Failed

__all__ = ["ServiceChild"]


class ServiceChild:
    """`tabellion serve` on free ports of loopback; its log goes beside the data folder's files."""

    def __init__(self, config: Path, data: Path, log: Path) -> None:
        words = [
            "serve",
            "--config",
            str(config),
            "--data",
            str(data),
            "--mllp",
            "127.0.0.1:0",
            "--dicom",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
        ]
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", *words], stdout=subprocess.PIPE, stderr=stream
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise Failed(f"the service did not start; its log: {log}")
        ready = json.loads(line)
        host, port = ready["mllp"].rsplit(":", 1)
        self.host, self.port = host, int(port)
        self.http, self.dicom = str(ready["http"]), str(ready["dicom"])

    def stop(self) -> int:
        """Drain and end it; give its exit code."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def kill(self) -> None:
        """End it at once, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
