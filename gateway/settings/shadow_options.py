"""The options of a router's shadow comparisons: a second model is asked the same, and a judge compares both answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from bandit.types import Json
from gateway.settings.judge_options import MAX_USD_PER_DAY
from gateway.settings.table_reader import Fields

NEEDS_JUDGE = 'needs a judge, which compares the answers: set judge, such as judge = { model = "openai/gpt-5.5" }'


@dataclass(frozen=True, slots=True)
class ShadowOptions:
    """Which share of a router's requests a second model is asked, too, and for how much.

    `tools`: also requests that offer tools. Nobody runs what the second model calls, unless its provider does.
    """

    share: float = 0.01
    max_usd_per_day: float = 1.0
    tools: bool = False

    def to_json(self) -> dict[str, Json]:
        """The table as it is written, with its defaults."""
        return {"share": self.share, "max_usd_per_day": self.max_usd_per_day, "tools": self.tools}


def read_shadow(fields: Fields) -> ShadowOptions | None:
    """Read the table `shadow`; None without one."""
    table = fields.table("shadow")
    if table is None:
        return None
    default = ShadowOptions()
    shadow = ShadowOptions(
        share=table.number("share", default.share, high=1.0),
        max_usd_per_day=table.number("max_usd_per_day", default.max_usd_per_day, high=MAX_USD_PER_DAY, above=True),
        tools=table.flag("tools", default.tools),
    )
    table.close()
    return shadow


def check_judged(fields: Fields, settings: Mapping[str, Json]) -> None:
    """Record a mistake if a router's complete settings have shadow comparisons and no judge.

    `fields` are those that were set now.
    """
    if settings.get("shadow") is None or settings.get("judge") is not None:
        return
    if fields.raw("shadow") is not None:
        fields.blame("shadow", NEEDS_JUDGE)
    elif "judge" in fields.names():
        fields.blame("judge", "is needed by shadow, whose answers it compares: set shadow to null first")
