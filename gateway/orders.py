"""Orders to the writer (replay, release, reject) as commands give them, with what came of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from gateway.errors import Failed, InputError, UsageError
from gateway.folder import existing
from gateway.settings import load_settings

if TYPE_CHECKING:
    from pipelines.datafolder import DataFolder
    from pipelines.deadletters import Replayed
    from pipelines.settings import Settings

__all__ = ["carry_out"]


def carry_out(
    options: argparse.Namespace, order: Callable[[DataFolder, Settings], Replayed], shown: str, verb: str
) -> int:
    """Give an order and tell the tally, as JSON or as `shown` says. Raises CommandError."""
    from pipelines.errors import NoSuchEntry, PipelineError

    try:
        done = order(existing(options.data), load_settings(options.config))
    except NoSuchEntry as error:
        raise UsageError(str(error)) from error
    except PipelineError as error:
        raise InputError(str(error)) from error
    tally = asdict(done)
    print(json.dumps(tally) if options.json else shown.format(**tally))
    if done.failed or done.missing:
        raise Failed(f"not all could be {verb}: see `tabellion deadletters list`")
    return 0
