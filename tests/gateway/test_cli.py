"""The command line as a whole: help that teaches, plain errors, exit codes, quick to start."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from gateway.cli import COMMANDS
from tests.support.service import tabellion

NAMES = [name for name, _ in COMMANDS]


@pytest.mark.parametrize("name", NAMES)
def test_help_of_each_command_teaches(name: str) -> None:
    """A description in words and examples that begin with the command itself."""
    text = tabellion(name, "--help").stdout
    assert f"tabellion {name}" in text
    assert "examples:" in text


def test_general_help_names_every_command() -> None:
    """And says where to start."""
    text = tabellion("--help").stdout
    assert all(name in text for name in NAMES)
    assert "tabellion demo" in text


def test_help_imports_nothing_heavy() -> None:
    """`tabellion --help` answers at once because no command, and no room but ours, is imported for it."""
    code = """
import sys
from gateway import cli
try:
    cli.main(["--help"])
except SystemExit:
    print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {
        "msgspec",
        "apsw",
        "yaml",
        "uvloop",
        "confluent_kafka",
        "cryptography",
        "mappings",
        "pipelines",
    }


@pytest.mark.parametrize("name", NAMES)
def test_command_modules_offer_their_two_functions(name: str) -> None:
    """`arguments` and `run`, and no heavy import at module level."""
    module = import_module(f"gateway.commands.{name}")
    assert callable(module.arguments)
    assert callable(module.run)


ERRORS = [
    ((), 2, "COMMAND"),
    (("nonsense",), 2, "invalid choice"),
    (("convert",), 2, "PATH"),
    (("convert", "/nonexistent/path"), 3, "no such file"),
    (("convert", ".", "--jobs", "0"), 2, "--jobs"),
    (("convert", ".", "--explain", "--report", "-"), 2, "standard output"),
    (("convert", ".", "--config", "x.toml"), 2, "--channel"),
    (("convert", ".", "--zone", "Mars/Olympus"), 2, "time zone"),
    (("convert", ".", "--base", "ftp://x"), 2, "http"),
    (("send", "nowhere", "."), 2, "HOST:PORT"),
    (("send", "127.0.0.1:9", "sample_data"), 3, "no connection"),
    (("serve", "--mllp", "0.0.0.0:0"), 2, "loopback"),
    (("serve", "--http", "nonsense"), 2, "HOST:PORT"),
    (("status", "--data", "/nonexistent/data"), 3, "data folder"),
    (("doctor", "--data", "/nonexistent/data"), 3, "data folder"),
    (("topics", "list", "--data", "/nonexistent/data"), 3, "data folder"),
    (("verify", "--record", "/nonexistent", "--receipt", "x", "--key", "y"), 3, "can't read"),
    (("init", "--tenant", "Not A Tenant"), 2, "--tenant"),
]


@pytest.mark.parametrize(("words", "code", "said"), ERRORS, ids=[" ".join(row[0]) or "nothing" for row in ERRORS])
def test_errors_in_plain_words(words: tuple[str, ...], code: int, said: str) -> None:
    """The exit code of the contract, one sentence, no traceback."""
    done = tabellion(*words, check=False)
    assert done.returncode == code
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_init_makes_a_private_folder_and_refuses_a_second_time(tmp_path: Path) -> None:
    """Folders 0700, keys 0600; an existing data folder is never overwritten."""
    data = tmp_path / "data"
    made = tabellion("init", "--data", str(data), "--tenant", "north", "--institution", "north-hospital").stdout
    assert data.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (data / "keys").iterdir())
    vkey = tabellion("keys", "show", "--data", str(data)).stdout.strip()
    assert vkey in made
    assert tabellion("init", "--data", str(data), check=False).returncode == 2
    assert tabellion("keys", "show", "--data", str(data)).stdout.strip() == vkey
