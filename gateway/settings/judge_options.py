"""The options of a router's judge: a model that scores a sample of the answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from bandit.types import Json
from gateway.settings.table_reader import Fields, shown

MOST_JUDGES = 8
LONGEST_RUBRIC = 4_000
MAX_USD_PER_DAY = 1_000_000.0
RUBRIC = (
    "1.0: correct, complete, and does all that was asked. 0.5: helpful, with a mistake or a gap that matters. "
    "0.0: wrong, of no use, or not an answer to the request."
)


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """Who judges which share of a router's answers, and for how much. `models`: the first that may judge does.

    `when` is "after": an answer is judged after it was sent.
    """

    models: tuple[str, ...]
    share: float = 0.05
    max_usd_per_day: float = 1.0
    rubric: str = RUBRIC
    when: str = "after"
    timeout_seconds: float = 60.0

    def to_json(self) -> dict[str, Json]:
        """The table as it is written, with its defaults."""
        return {
            "model": self.models[0] if len(self.models) == 1 else list(self.models),
            "share": self.share,
            "max_usd_per_day": self.max_usd_per_day,
            "rubric": self.rubric,
            "when": self.when,
            "timeout_seconds": self.timeout_seconds,
        }


def read_judge(fields: Fields) -> JudgeOptions | None:
    """Read the table `judge`; None without one."""
    table = fields.table("judge")
    if table is None:
        return None
    default = JudgeOptions(())
    judge = JudgeOptions(
        models=_models(table),
        share=table.number("share", default.share, high=1.0),
        max_usd_per_day=table.number("max_usd_per_day", default.max_usd_per_day, high=MAX_USD_PER_DAY, above=True),
        rubric=table.text(
            "rubric",
            default.rubric,
            pattern=rf"(?s)(?=.{{1,{LONGEST_RUBRIC}}}\Z).*\S.*",
            right=f"a text of up to {LONGEST_RUBRIC:,} characters",
        ),
        when=table.choice("when", default.when, ("after",)),
        timeout_seconds=table.number("timeout_seconds", default.timeout_seconds, high=600.0, above=True),
    )
    table.close()
    return judge


def judging_models(settings: Mapping[str, Json]) -> tuple[str, ...]:
    """The models that a router's settings name as judges, which need not be among its own."""
    judge = settings.get("judge")
    named = judge.get("model") if isinstance(judge, Mapping) else None
    each = named if isinstance(named, list) else [named]
    return tuple(model_id for model_id in each if isinstance(model_id, str))


def _models(table: Fields) -> tuple[str, ...]:
    named = table.raw("model")
    if named is None:
        table.blame(None, 'needs model, such as model = "openai/gpt-5.5"')
        return ()
    if isinstance(named, str):
        model_id = table.text("model", "", right='a model id such as "openai/gpt-5.5", or a list of them')
        return (model_id,) if model_id else ()
    models: tuple[str, ...] = table.texts("model", ())
    if isinstance(named, list | tuple) and not 1 <= len(named) <= MOST_JUDGES:
        table.blame("model", f"must name 1 to {MOST_JUDGES} models, not {shown(len(named))}")
    return models
