"""Keep the garbage collector out of requests."""

import contextlib
import gc

COLLECT_AFTER = (20_000, 50, 100)
"""Thresholds of the garbage collector: requests leave few cycles behind, and a full collection takes milliseconds."""


def collect_seldom() -> None:
    """Let the garbage collector run seldom: for a process's first line, as imports leave no cycles behind."""
    gc.set_threshold(*COLLECT_AFTER)


def freeze(opened: contextlib.AsyncExitStack) -> None:
    """Take what start-up made out of the collector's view until the stack closes, and let it collect seldom."""
    # Start-up leaves about a million objects that live for ever. A full collection would walk them all, for hundreds
    # of milliseconds in the middle of a request: freezing takes them out of the collector's view.
    gc.collect()
    gc.freeze()
    opened.callback(gc.unfreeze)
    collect_seldom()
