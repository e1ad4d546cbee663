"""What was expected of a change in words, and what it is now."""

from typing import Any

from gateway.dashboard.formats import count, seconds, usd
from gateway.management.changes import ChangeView
from gateway.management.context import Management
from gateway.management.forecasts import Happened, happened_after

PER = 1_000
_FIGURES = (
    ("cost_usd", "", lambda value: f"{usd(PER * value)}", " per 1,000 requests"),
    ("quality", "a mean score of ", lambda value: f"{value:.3f}", ""),
    ("seconds", "a mean wait of ", seconds, ""),
)


def forecast_of(management: Management, change: ChangeView) -> str:
    """The sentence; empty for a change of which nothing was expected."""
    figures: Any = (change.forecast or {}).get("figures")
    if not isinstance(figures, dict) or not figures or change.reverted_by is not None:
        return ""
    happened = happened_after(management, change)
    parts = [
        f"{before}{text(figures[key]['mean'])} ± {text((figures[key]['high'] - figures[key]['low']) / 2)}{after}"
        + _is_now(happened, key, text)
        for key, before, text, after in _FIGURES
        if key in figures
    ]
    told = f"Expected: {'; '.join(parts)}"
    if happened is None:
        return f"{told}. Compared with what happens after a day."
    return f"{told} ({count(happened.requests)} requests since)."


def _is_now(happened: Happened | None, key: str, text: Any) -> str:
    return f", it is {text(happened.means[key])}" if happened is not None and key in happened.means else ""
