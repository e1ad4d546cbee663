"""What the gateway tells operators with; made once per gateway, before its workers are forked."""

import logging
import sys
from collections.abc import Collection
from dataclasses import dataclass

from gateway.settings import Settings
from gateway.telemetry.cells import Board
from gateway.telemetry.log_lines import as_json, as_words
from gateway.telemetry.log_writer import LogHandler, LogWriter


@dataclass(frozen=True, slots=True)
class Instruments:
    """Metrics of all workers, and the log."""

    board: Board
    logs: LogWriter


def log_to_stderr(settings: Settings) -> LogWriter:
    """Send everything that is logged to stderr, in the form and from the level on that are set."""
    form = settings.log_format
    if form == "auto":
        form = "console" if sys.stderr.isatty() else "json"
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    writer = LogWriter(sys.stderr.fileno(), as_words if form == "console" else as_json, level)
    writer.hide(secrets_of(settings))
    logging.basicConfig(level=level, handlers=[LogHandler(writer)])
    for chatty in ("alembic", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
    return writer


def secrets_of(settings: Settings) -> Collection[str]:
    """The keys that no line may hold."""
    keys = [key for provider in settings.providers.values() for key in provider.api_keys]
    return [secret for secret in (*keys, settings.admin_key or "") if len(secret) >= 8]
