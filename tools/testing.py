"""Runs the tests: `python -m tools.testing [--soak | --wheel DIST] [pytest arguments]`.

Fetches the Kafka and HAPI jars where Maven is there and HL7's examples where npm is, runs two processes where there are
two cores, says by name what is skipped and why, prints what tests want to be read (`record_property("note", ...)`)
and the time that each room's tests took, and with CI=true refuses every skip but that of absent shared test data.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED_SKIP = "shared test data absent"


class RoomTimes:
    """A pytest plugin: seconds per room, skips by reason, and the verdict on skips in CI."""

    def __init__(self, ci: bool) -> None:
        self._ci = ci
        self._seconds: dict[str, float] = defaultdict(float)
        self._skips: dict[str, int] = defaultdict(int)
        self._notes: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up one test's phases."""
        parts = Path(report.nodeid.partition("::")[0]).parts
        self._seconds[parts[1] if len(parts) > 2 else "tests"] += report.duration
        if report.when == "call":
            self._notes += [str(value) for name, value in report.user_properties if name == "note"]
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self._skips[reason.removeprefix("Skipped: ")] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """In CI a skipped part is a failure."""
        if self._ci and self._forbidden():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the budget per room and what was left out."""
        terminalreporter.section("seconds per room")
        for room, seconds in sorted(self._seconds.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{seconds:8.1f}  {room}")
        for note in self._notes:
            terminalreporter.write_line(note)
        for reason, count in sorted(self._skips.items()):
            terminalreporter.write_line(f"SKIPPED {count}: {reason}", yellow=True)
        if self._ci and self._forbidden():
            terminalreporter.write_line("CI=true: these parts may not be skipped", red=True)

    def _forbidden(self) -> list[str]:
        return [reason for reason in self._skips if not reason.startswith(ALLOWED_SKIP)]


def main(arguments: list[str]) -> int:
    """Run; give pytest's exit code, or 1 where set-up failed in CI."""
    ci = os.environ.get("CI") == "true"
    if "--wheel" in arguments:
        at = arguments.index("--wheel")
        return _wheel(Path(arguments[at + 1]), arguments[:at] + arguments[at + 2 :])
    soak = "--soak" in arguments
    rest = [word for word in arguments if word != "--soak"]
    if not _jars() and ci:
        print("CI=true: the Kafka and HAPI jars could not be fetched (Java 17, Maven are needed)", file=sys.stderr)
        return 1
    if not _fhir() and ci:
        print("CI=true: HL7's examples could not be fetched (Node.js 20 and npm are needed)", file=sys.stderr)
        return 1
    begun = time.monotonic()
    chosen = ["-m", "soak"] if soak else ["-m", "not soak", *_processes(rest)]
    code = pytest.main([*chosen, *rest], plugins=[RoomTimes(ci)])
    print(f"tests took {time.monotonic() - begun:.0f} s")
    return int(code)


def _processes(rest: list[str]) -> list[str]:
    """Two processes, a file's tests in one of them, in the order of `tests/conftest.py`; unless said otherwise."""
    if (os.cpu_count() or 1) < 2 or any(word.startswith(("-n", "-s", "--pdb")) for word in rest):
        return []
    return ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]


def _jars() -> bool:
    """Fetch the jars of the broker and of the MLLP peer once; False where Java or Maven is missing."""
    wanted = [name for name in ("kafka", "hapi") if not (ROOT / f".{name}" / "libs.stamp").exists()]
    if not wanted:
        return True
    if not shutil.which("mvn") or not shutil.which("java"):
        print("Java 17 and Maven are not here: the Kafka and HAPI tests will be skipped", file=sys.stderr)
        return False
    return subprocess.run(["make", "-s", *wanted], cwd=ROOT, check=False).returncode == 0


def _fhir() -> bool:
    """Fetch HL7's examples and the other validator once; False where Node.js or npm is missing."""
    if (ROOT / ".fhir" / "npm.stamp").exists():
        return True
    if not shutil.which("npm") or not shutil.which("node"):
        print("Node.js and npm are not here: the tests with HL7's examples will be skipped", file=sys.stderr)
        return False
    return subprocess.run(["make", "-s", "fhir"], cwd=ROOT, check=False).returncode == 0


def _wheel(dist: Path, rest: list[str]) -> int:
    """Run the tests against the built wheel, in a folder without the source, in an environment of its own."""
    (wheel,) = dist.resolve().glob("*.whl")
    with tempfile.TemporaryDirectory(prefix="tabellion-wheel-") as name:
        place = Path(name)
        for part in ("tests", "sample_data", "tools", "benchmarks"):
            shutil.copytree(ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile"):
            shutil.copy(ROOT / part, place / part)
        shutil.copytree(ROOT / "docs", place / "docs")
        for fetched in (".kafka", ".hapi", ".fhir"):
            if (ROOT / fetched).exists():
                (place / fetched).symlink_to(ROOT / fetched)
        venv = place / ".venv"
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        locked = ["--require-hashes", "--only-binary", ":all:", "-r"]
        subprocess.run([*pip, *locked, ROOT / "requirements-dev.lock"], check=True)
        subprocess.run([*pip, "--no-index", "--no-deps", wheel], check=True)
        data = ROOT.parent / "shared" / "data"
        environment = {"TABELLION_TEST_DATA": str(data), **os.environ, "TABELLION_WHEEL_TEST": "1", "PYTHONPATH": ""}
        environment["PATH"] = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment.pop("PYTHONPATH")
        command = [str(venv / "bin" / "python"), "-m", "tools.testing", *rest]
        return subprocess.run(command, cwd=place, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
