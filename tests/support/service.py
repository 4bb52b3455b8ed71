"""The real service as a process group of its own, started as a user starts it, ended as a test wants it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType

CRASH = Path(__file__).resolve().parent / "crash"
COMMAND = [sys.executable, "-m", "gateway.cli"]


class Service:
    """`tabellion serve` on free ports. `config` is TOML text; `crash` a step=folder for the crash hook."""

    def __init__(self, data: Path, config: str = "", crash: str = "", wrap: tuple[str, ...] = ()) -> None:
        self.data = data
        data.parent.mkdir(parents=True, exist_ok=True)
        words = [*wrap, *COMMAND, "serve", "--data", str(data), "--mllp", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        words += ["--dicom", "127.0.0.1:0"]
        if config:
            path = data.parent / f"{data.name}.toml"
            path.write_text(config)
            words += ["--config", str(path)]
        environment = dict(os.environ)
        if crash:
            environment |= {"TABELLION_TEST_CRASH": crash, "PYTHONPATH": str(CRASH)}
        self.log = data.parent / f"{data.name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=log, env=environment, start_new_session=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the service ended at start: {self.log.read_text()[-2000:]}")
        self.ready = json.loads(line)
        host, port = (self.ready["mllp"] or "127.0.0.1:0").rsplit(":", 1)  # null without a channel for it
        self.host, self.port = host, int(port)

    @property
    def pid(self) -> int:
        """The intake process; also the id of the group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """True until it ended."""
        return self._process.poll() is None

    def get(self, path: str) -> tuple[int, str]:
        """One probe on the HTTP port."""
        try:
            with urllib.request.urlopen(f"http://{self.ready['http']}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def stop(self, seconds: float = 60) -> int:
        """SIGTERM, as an operator does; give the exit code."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(seconds)
        self._close()
        return code

    def kill(self) -> None:
        """SIGKILL to the whole group, as a crash."""
        with suppress(ProcessLookupError):  # it may have killed itself at its step
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._close()

    def _close(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            self.kill()
        self._close()


def tabellion(
    *words: str, check: bool = True, timeout: float = 120, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does."""
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd)
    if check and done.returncode:
        raise AssertionError(
            f"tabellion {' '.join(words)} → {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        )
    return done


def settled(data: Path, seconds: float = 60) -> dict[str, object]:
    """Wait until nothing is left to settle; give `status`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status: dict[str, object] = json.loads(tabellion("status", "--json", "--data", str(data)).stdout)
        if status["backlog"] == 0:
            return status
        time.sleep(0.1)
    raise AssertionError(f"still not settled after {seconds} s: {status}")
