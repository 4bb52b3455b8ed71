"""HAPI HL7v2 as an independent MLLP peer, in a process of its own (tools/hapi)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBS = ROOT / ".hapi" / "libs"
_JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def available() -> str | None:
    """None if it can run here, else what is missing."""
    if not LIBS.is_dir():
        return "HAPI jars absent: make hapi (needs Maven)"
    return None if shutil.which("java") else "Java 17 absent"


def peer(*words: str) -> subprocess.Popen[str]:
    """Start it; its lines come on standard output."""
    command = ["java", *_JVM, "-cp", f"{LIBS}/*", str(ROOT / "tools" / "hapi" / "Peer.java"), *words]
    # it keeps a file of the ids it gave where it is started
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=LIBS.parent)
