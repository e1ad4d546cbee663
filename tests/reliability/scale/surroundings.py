"""What stands around the requests of a large ledger: keys, changes, evaluations and calls of judges."""

import random
from collections.abc import Sequence

import msgspec
from sqlalchemy import Table, insert

from storage.calendar import DAY
from storage.database.engine import Database
from storage.records import KeyLimits
from storage.tables import api_keys, audit, eval_scores, eval_sums, evals, judging
from tests.reliability.scale.requests import KEYS, NAMED, ROUTERS
from tests.support.traffic import MODELS, TASKS

CHANGES = 20_000
EVALS = 50
PROMPTS = 200
_AT_ONCE = 1_000
_NO_LIMITS = msgspec.json.encode(KeyLimits()).decode()
_LIMITED = msgspec.json.encode(KeyLimits(requests_per_minute=600, usd_per_day=50.0)).decode()


def surround(database: Database, start: float, end: float, seed: int) -> None:
    """Add it all to a filled ledger, made between `start` and `end`."""
    chance = random.Random(seed)
    _add(database, api_keys, [_key(chance, number, key_id, start) for number, key_id in enumerate(KEYS)])
    _add(database, audit, [_change(chance, number, start, end) for number in range(CHANGES)])
    _add(database, evals, [_eval(number, start) for number in range(EVALS)])
    _add(database, eval_sums, [_sums(number, model_id) for number in range(EVALS) for model_id in MODELS])
    _add(database, eval_scores, [row for number in range(EVALS) for row in _scores(chance, number)])
    days = range(int(start) // DAY, int(end) // DAY + 1)
    _add(database, judging, [_judging(router_id, day) for router_id in NAMED for day in days])


def _add(database: Database, table: Table, rows: Sequence[dict[str, object]]) -> None:
    with database.write() as connection:
        for first in range(0, len(rows), _AT_ONCE):
            connection.execute(insert(table), list(rows[first : first + _AT_ONCE]))


def _key(chance: random.Random, number: int, key_id: str, start: float) -> dict[str, object]:
    """A key of all routers, or of three; a tenth has limits, a tenth was revoked."""
    routers = sorted(chance.sample(list(ROUTERS), 3)) if number % 4 == 0 else None
    return {
        "id": key_id,
        "hash": f"{number:064x}",
        "label": f"application {number}",
        "scopes": '["routing"]',
        "routers": None if routers is None else msgspec.json.encode(routers).decode(),
        "created_at": start + number,
        "revoked_at": start + 2_000 if number % 10 == 1 else None,
        "prefix": f"sk-bg-{number:04d}",
        "limits": _LIMITED if number % 10 == 2 else _NO_LIMITS,
        "last_used_at": start + 3_000,
    }


def _change(chance: random.Random, number: int, start: float, end: float) -> dict[str, object]:
    at = start + (end - start) * number / CHANGES
    return {
        "id": f"chg_{int(at * 1e3):012x}{number:020x}",
        "at": at,
        "key_id": KEYS[number % len(KEYS)],
        "via": "api",
        "action": "router.update",
        "target": chance.choice(list(ROUTERS)),
        "before": '{"exploration":0.02}',
        "after": '{"exploration":0.03}',
        "request_id": f"req_{number:032x}",
    }


def _eval(number: int, start: float) -> dict[str, object]:
    return {
        "id": f"eval_{number:04d}",
        "name": f"evaluation {number}",
        "metric": "accuracy",
        "unit": "",
        "minimum": 0.0,
        "maximum": 1.0,
        "router_id": f"rtr_{number:03d}",
        "created_at": start + number,
        "made_at": start + number,
        "import_id": f"imp_{number:04d}",
    }


def _sums(number: int, model_id: str) -> dict[str, object]:
    total = 0.8 * PROMPTS
    return {
        "eval_id": f"eval_{number:04d}",
        "model_id": model_id,
        "task": "",
        "signal": "quality",
        "weight": float(PROMPTS),
        "total": total,
        "squares": 0.8 * total,
    }


def _scores(chance: random.Random, number: int) -> list[dict[str, object]]:
    return [
        {
            "import_id": f"imp_{number:04d}",
            "model_id": model_id,
            "task": chance.choice(TASKS),
            "prompt_id": f"prompt-{prompt}",
            "score": chance.random(),
            "weight": 1.0,
            "notes": "",
        }
        for model_id in MODELS
        for prompt in range(PROMPTS)
    ]


def _judging(router_id: str, day: int) -> dict[str, object]:
    return {
        "router_id": router_id,
        "day": day,
        "purpose": "judge",
        "model_id": MODELS[0],
        "calls": 100,
        "scored": 98,
        "prompt_tokens": 40_000,
        "completion_tokens": 2_000,
        "cost_usd": 0.05,
        "revision": 1,
    }
