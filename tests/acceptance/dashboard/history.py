"""A gateway with four days behind it: simulated users asked hour by hour, and somebody changed things meanwhile."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import httpx

from bandit.types import Epoch
from gateway.demo.gateway import DemoGateway
from gateway.demo.prompts import questions
from gateway.demo.users import ask_all
from storage.calendar import HOUR
from storage.database.clock import DatabaseClock
from tests.acceptance.dashboard.conftest import CONFIGURATION
from tests.support.gateway import Running, run_gateway

HOURS = 4 * 24
SEED = 20_261_126
ROUTER = "rtr_support"
CHANGES = {
    0: ("/admin/api-keys", {"label": "app-production", "scopes": ["routing"], "limits": {"usd_per_day": 40}}),
    1: ("/admin/api-keys", {"label": "grafana", "scopes": ["read"]}),
    # With 2% of exploration, a few hundred requests a day leave most comparisons without evidence.
    2: (f"/admin/routers/{ROUTER}", {"exploration": 0.15}),
    30: (f"/admin/routers/{ROUTER}", {"objective": {"quality_usd": 0.01, "second_usd": 0.0004, "failure_usd": 0.004}}),
    62: (f"/admin/routers/{ROUTER}", {"exploration": 0.05, "max_usd_per_day": 50}),
}
"""What is changed at which hour."""
SCORECARD = "model_id,score\nsimulated/swift,41\nsimulated/steady,77\nsimulated/sage,93\n"
SCORECARD_HOUR = 45


@contextmanager
def lived_in_gateway() -> Iterator[tuple[Running, str]]:
    """The gateway, and the path of its latest request."""
    real, ago = DatabaseClock.now, 0.0

    def now(clock: DatabaseClock) -> Epoch:
        return Epoch(real(clock) - ago)

    with (
        patch.object(DatabaseClock, "now", now),
        tempfile.TemporaryDirectory(prefix="dashboard-") as folder,
        run_gateway(f'database_url = "sqlite:///{folder}/ledger.db"\n{CONFIGURATION}', Path(folder)) as running,
        running.http("admin") as admin,
    ):
        for hour in range(HOURS + 1):
            ago = float(HOUR * (HOURS - hour))
            _change(admin, hour)
            asked = questions(6 + 9 * (8 <= hour % 24 <= 19), SEED + hour)
            asking = ask_all(
                DemoGateway(running.url, running.keys["routing"]),
                ROUTER,
                asked,
                seed=SEED + hour,
                scored=True,
                served=lambda _: None,
            )
            asyncio.run(asking)
        latest = admin.get("/admin/decisions", params={"router_id": ROUTER, "limit": 1}).json()
        yield running, f"/decisions/{latest['data'][0]['id']}"


def _change(admin: httpx.Client, hour: int) -> None:
    if hour in CHANGES:
        path, fields = CHANGES[hour]
        answer = admin.patch(path, json=fields) if ROUTER in path else admin.post(path, json=fields)
        answer.raise_for_status()
    if hour == SCORECARD_HOUR:
        caption = {"name": "Support QA v3", "metric": "accuracy", "unit": "percent"}
        headers = {"content-type": "text/csv"}
        admin.post("/admin/evals", params=caption, content=SCORECARD, headers=headers).raise_for_status()
