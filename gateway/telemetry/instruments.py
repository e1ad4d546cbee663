"""What the gateway tells operators with; made once per gateway, before its workers are forked."""

import logging
import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.settings import ProviderSettings, Settings
from gateway.telemetry.cells import Board
from gateway.telemetry.log_lines import as_json, as_words
from gateway.telemetry.log_writer import LogHandler, LogWriter

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Tracing  # which needs the extra `otel`

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Traces are exported if one of these is set."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """Metrics of all workers, the log, and how a worker starts tracing, if it does."""

    board: Board
    logs: LogWriter
    start_tracing: "Callable[[Mapping[str, ProviderSettings]], Tracing] | None" = None


def log_to_stderr(settings: Settings) -> LogWriter:
    """Send everything that is logged to stderr, in the form and from the level on that are set."""
    # Without a stderr its number may become that of the next file that is opened: the database's, even.
    fd = os.open(os.devnull, os.O_WRONLY) if sys.stderr is None else sys.stderr.fileno()
    form = settings.log_format
    if form == "auto":
        form = "console" if os.isatty(fd) else "json"
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    writer = LogWriter(fd, as_words if form == "console" else as_json, level)
    writer.hide(secrets_of(settings))
    logging.basicConfig(level=level, handlers=[LogHandler(writer)])
    for chatty in ("alembic", "uvicorn", "httpx", "httpcore"):  # httpx tells whole URLs
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
    return writer


def tracing_starter(environ: Mapping[str, str]) -> "Callable[[Mapping[str, ProviderSettings]], Tracing] | None":
    """How to start tracing if the environment asks for it by an OTLP endpoint, and the extra `otel` is installed."""
    wanted = any(environ.get(name) for name in ENDPOINTS)
    if not wanted or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from gateway.telemetry.tracing import start_tracing  # noqa: PLC0415 - half a second, if traces are wanted
    except ImportError as error:
        log.warning("no traces, although %s is set: %s; pip install 'bandit-gateway[otel]'", ENDPOINTS[0], error)
        return None
    return start_tracing


def secrets_of(settings: Settings) -> Collection[str]:
    """The keys that no line may hold."""
    keys = [key for provider in settings.providers.values() for key in provider.api_keys]
    return [secret for secret in (*keys, settings.admin_key or "") if len(secret) >= 8]
