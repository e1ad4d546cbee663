"""What the savings call answers, and the notes on how it is to be read."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gateway.management.routers import ObjectiveView

RANDOM_SCORES = (
    "Scores are taken to be missing at random: whether an answer is scored does not depend on how good it is."
)
IN_HINDSIGHT = (
    "The baseline is the best single model in hindsight, which nobody knew beforehand: that makes it look too good, "
    "and what was saved and gained too small."
)
NO_SCORES = (
    "Which single model would have been the best is not known without scores: send feedback, or name a `baseline` to "
    "compare costs with."
)


class EstimateView(BaseModel):
    """A mean, and its 95 % interval."""

    mean: float
    low: float
    high: float


class ActualView(BaseModel):
    """What the requests that are compared came to: means per request; `quality` is of answers, null without scores."""

    cost_usd: float
    quality: float | None
    seconds: float
    success: float


class FixedView(BaseModel):
    """What always this model would have come to, per request.

    `worth_difference_usd` is the router's worth of a request minus this model's, by the router's objective; `actual`
    is what the router came to over the same requests, `covered` their share: for the others the model could not be
    drawn. `effective_size` is how many requests sent there at random would say as much; `refused` says why a figure
    is missing, and `more_days` after how many days more there will be enough, as things go.
    """

    model: str
    covered: float
    actual: ActualView
    cost_usd: EstimateView | None
    quality: EstimateView | None
    seconds: EstimateView | None
    success: EstimateView | None
    saved_usd: EstimateView | None
    worth_difference_usd: EstimateView | None
    effective_size: float
    evidence: Literal["strong", "some", "none"]
    refused: str | None
    more_days: float | None


class SavingsDayView(BaseModel):
    """Dollars from `at` on, for `bucket_seconds`: spent in all, and if the baseline had served what is compared."""

    at: float
    spent_usd: float
    baseline_usd: EstimateView | None


class SavingsView(BaseModel):
    """What a router saved, over whole UTC days.

    `requests` and `spent_usd` are of all requests; `used` are those with a randomised first draw that are compared,
    `redrawn` those for which another call was made, whose first call alone is compared. `saved_usd` is what the
    compared ones cost less than with the baseline (negative: more). The baseline is the best single model by the
    router's objective, unless one is chosen.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "router_id": "rtr_support",
                    "object": "router.savings",
                    "from_at": 1793404800.0,
                    "to_at": 1795996800.0,
                    "bucket_seconds": 86400,
                    "objective": {"quality_usd": 0.05, "second_usd": 0.0005, "failure_usd": 0.0125},
                    "requests": 18412,
                    "used": 17390,
                    "redrawn": 211,
                    "spent_usd": 33.1,
                    "covered": 0.97,
                    "actual": {"cost_usd": 0.0018, "quality": 0.871, "seconds": 1.9, "success": 0.991},
                    "baseline": "openai/gpt-5.5",
                    "baseline_is": "best_fixed",
                    "saved_usd": {"mean": 61.2, "low": 55.0, "high": 67.4},
                    "fixed": [
                        {
                            "model": "openai/gpt-5.5",
                            "covered": 0.97,
                            "actual": {"cost_usd": 0.0018, "quality": 0.871, "seconds": 1.9, "success": 0.991},
                            "cost_usd": {"mean": 0.0054, "low": 0.005, "high": 0.0058},
                            "quality": {"mean": 0.884, "low": 0.871, "high": 0.897},
                            "seconds": {"mean": 2.6, "low": 2.5, "high": 2.7},
                            "success": {"mean": 0.993, "low": 0.989, "high": 0.997},
                            "saved_usd": {"mean": 61.2, "low": 55.0, "high": 67.4},
                            "worth_difference_usd": {"mean": 0.0032, "low": 0.0024, "high": 0.004},
                            "effective_size": 1240.0,
                            "evidence": "strong",
                            "refused": None,
                            "more_days": None,
                        }
                    ],
                    "days": [
                        {
                            "at": 1793404800.0,
                            "spent_usd": 1.1,
                            "baseline_usd": {"mean": 3.2, "low": 3.0, "high": 3.4},
                        }
                    ],
                    "notes": [RANDOM_SCORES, IN_HINDSIGHT],
                }
            ]
        }
    )

    router_id: str
    object: str = "router.savings"
    from_at: float
    to_at: float
    bucket_seconds: int
    objective: ObjectiveView
    requests: int
    used: int
    redrawn: int
    spent_usd: float
    covered: float | None
    actual: ActualView | None
    baseline: str | None
    baseline_is: Literal["best_fixed", "chosen"] | None
    saved_usd: EstimateView | None
    fixed: list[FixedView]
    days: list[SavingsDayView]
    notes: list[str]
