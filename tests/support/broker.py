"""A real Apache Kafka broker for the tests: one node, free loopback ports, its own process group and folder."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
LIBS = ROOT / ".kafka" / "libs"
_JVM = ("-Xms256m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:MaxDirectMemorySize=64m", "-XX:TieredStopAtLevel=1")
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=4194304
log.segment.bytes=67108864
auto.create.topics.enable=false
"""


def available() -> str | None:
    """None if a broker can be started here, else what is missing."""
    if not LIBS.is_dir():
        return "Kafka jars absent: make kafka (needs Maven)"
    return None if shutil.which("java") else "Java 17 absent"


class Broker:
    """A broker process. `servers` is its bootstrap address."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tabellion-kafka-"))
        port, controller = _free_ports(2)
        self.servers = f"127.0.0.1:{port}"
        self._port = port
        self._properties = self._folder / "node.properties"
        self._properties.write_text(_PROPERTIES.format(port=port, controller=controller, folder=self._folder))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode()
        self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties))
        self._process = self._start()

    def _command(self, main: str, *arguments: str) -> list[str]:
        return ["java", *_JVM, "-Djava.awt.headless=true", "-cp", f"{LIBS}/*", main, *arguments]

    def _java(self, main: str, *arguments: str) -> None:
        subprocess.run(self._command(main, *arguments), check=True, capture_output=True, cwd=self._folder)

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "broker.log").open("ab") as log:
            process = subprocess.Popen(
                self._command("kafka.Kafka", str(self._properties)),
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if process.poll() is not None:
                raise RuntimeError(f"the broker ended at start; its log: {self._folder / 'broker.log'}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return process
            time.sleep(0.1)
        raise RuntimeError("the broker accepts no connections after 60 s")

    def kill(self) -> None:
        """End it as a crash would."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self, keep: bool = False) -> None:
        """End it; the folder goes too, unless its log is wanted."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        if not keep:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Broker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(keep=kind is not None)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports
