"""Instruments of a gateway in this process, whose log lines nobody reads; messages still reach `caplog`."""

import logging
import os

from gateway.telemetry.cells import Board
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.log_lines import as_json
from gateway.telemetry.log_writer import LogWriter

NOWHERE = os.open(os.devnull, os.O_WRONLY)


def instruments() -> Instruments:
    """Metrics for one worker, and a log that goes nowhere."""
    return Instruments(Board(), LogWriter(NOWHERE, as_json, logging.INFO))
