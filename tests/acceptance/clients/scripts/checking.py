"""Runs the checks of one client and says, one JSON line for each, whether it held and what the user saw."""

import json
import os
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

URL = os.environ["BANDIT_GATEWAY_URL"]
"""Where the gateway answers, such as http://127.0.0.1:8790."""
KEY = os.environ["BANDIT_GATEWAY_KEY"]
BASE_URL = f"{URL}/{os.environ.get('BANDIT_GATEWAY_ROUTER', 'rtr_default')}"
CUT_URL = f"{URL}/{os.environ.get('BANDIT_GATEWAY_CUT_ROUTER', 'rtr_default')}"
"""A router whose only model cuts its streams."""

Check = Callable[[], str]
_CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Make a function a check: it returns what to tell of it, and raises where something is not right."""

    def add(function: Check) -> Check:
        _CHECKS[name] = function
        return function

    return add


def run() -> None:
    """Run all checks in order."""
    for name, function in _CHECKS.items():
        try:
            line = {"check": name, "ok": True, "detail": function()}
        except Exception as error:
            at = error.__traceback__.tb_next if error.__traceback__ else None
            where = f" (line {at.tb_lineno})" if at else ""
            line = {"check": name, "ok": False, "detail": f"{type(error).__name__}: {error}{where}"[:500]}
        sys.stdout.write("\n" + json.dumps(line) + "\n")  # a client may have left its own line unfinished
        sys.stdout.flush()


def raised(function: Callable[[], object], *kinds: type[Exception]) -> Exception:
    """The exception of one of these kinds that the function raises."""
    try:
        value = function()
    except kinds as error:
        return error
    raise AssertionError(f"nothing was raised; it gave {value!r}")


TASK = "greetings"
INSTRUCTIONS = "Only use sage."
MODEL = "simulated/sage"
"""What the instructions ask for."""


def steering(episode_id: str) -> dict[str, str]:
    """Headers that say what fields of the body say."""
    return {"x-router-task": TASK, "x-router-instructions": INSTRUCTIONS, "x-router-episode": episode_id}


def send_score_of_episode(episode_id: str, score: float) -> str:
    """Score an episode, and see that all its completions were steered as `steering` asks."""
    scored = ask("/feedback", KEY, {"episode_id": episode_id, "score": score})
    assert {each["model"] for each in scored["completions"]} == {MODEL}, scored
    for each in scored["completions"]:
        decision = ask(f"/admin/decisions/{each['completion_id']}", os.environ["BANDIT_GATEWAY_ADMIN_KEY"])
        assert decision["task"] == TASK, decision
    return f"{len(scored['completions'])} completions of {episode_id}: {scored['status']}"


def ask(path: str, key: str, body: object = None) -> dict[str, Any]:
    """The answer to a request of our own."""
    request = urllib.request.Request(  # noqa: S310 - http, on this machine
        URL + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        told: dict[str, Any] = json.load(answer)
        return told


def send_score(completion_id: str | None, score: float) -> str:
    """Tell the gateway how good an answer was; the id is that of the completion."""
    return f"{completion_id}: {ask('/feedback', KEY, {'completion_id': completion_id, 'score': score})['status']}"
