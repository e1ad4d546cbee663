"""Off-policy evaluation: what another policy, objective or set of models would have done, from the ledger alone."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from bandit.ope.estimators import Estimate, Evaluation, Figure, evaluate
from bandit.ope.logged import Logged
from bandit.ope.targets import recorded_policy, target_probabilities
from bandit.policies.fixed import Fixed
from bandit.types import Choice, Ending, Epoch, Objective
from storage.records import DecisionView
from storage.stores.ledger import Ledger

MOST_DECISIONS = 100_000
"""Only the newest decisions up to this number are used: more would not narrow an interval that matters."""

_FAILED = frozenset({Ending.TIMEOUT, Ending.FAILED, Ending.CUT})
"""Endings of a first draw that are the model's own failure. Other endings say nothing about the model."""


class InvalidQuestion(ValueError):
    """A question that can't be answered. `param` names the wrong field; the message begins with it."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a policy, an objective (None: as logged) and a set of models (None: all)."""

    policy: str = "thompson"
    objective: Objective | None = None
    models: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The evaluation, and the log's own figures by the same estimators. `left_out` counts unusable decisions."""

    target: Evaluation
    logged: Evaluation
    left_out: Mapping[str, int]


def question_of(
    router_id: str, known: Collection[str], policy: str, models: str | None, objective: Objective | None = None
) -> Question:
    """What is asked of a router that has the models `known`; `models` are ids with commas between.

    Raises InvalidQuestion for a policy that can't be recomputed from a record, and for a model that it does not have.
    """
    try:
        wanted = recorded_policy(policy)
    except ValueError as error:
        raise InvalidQuestion("policy", str(error)) from None
    if isinstance(wanted, Fixed) and wanted.model_id not in known:
        raise InvalidQuestion("policy", f"policy: {_no_model(router_id, wanted.model_id, known)}")
    return Question(policy, objective, None if models is None else _models_of(models, router_id, known))


def evaluate_router(
    ledger: Ledger, router_id: str, question: Question, since: Epoch, now: Epoch, most: int = MOST_DECISIONS
) -> Answer:
    """Evaluate on a router's decisions since an instant (seconds since the epoch), the newest up to `most`.

    Raises storage's errors.
    """
    log: list[Logged] = []
    choices: list[Choice] = []
    left_out: Counter[str] = Counter()
    decoder = msgspec.json.Decoder(Choice)
    kept: dict[bytes, Choice] = {}
    for view in views_since(ledger, router_id, since, most):
        raw = view.decision.choice
        try:
            choice = kept.get(raw) or kept.setdefault(raw, decoder.decode(raw))
        except msgspec.DecodeError:
            left_out["its choice can't be read any more"] += 1
            continue
        one = logged(view, choice)
        if isinstance(one, str):
            left_out[one] += 1
            continue
        log.append(one)
        choices.append(choice)
    wanted = [target_probabilities(each, question.policy, question.objective, question.models) for each in choices]
    objective = question.objective or (choices[0].objective if choices else Objective(0.0, 0.0, 0.0))
    return Answer(
        target=evaluate(log, wanted, objective, now),
        logged=evaluate(log, [one.probabilities for one in log], objective, now),
        left_out=left_out,
    )


def _models_of(text: str, router_id: str, known: Collection[str]) -> tuple[str, ...]:
    models = tuple(filter(None, (part.strip() for part in text.split(","))))
    for model in models:
        if model not in known:
            raise InvalidQuestion("models", f"models: {_no_model(router_id, model, known)}")
    if not models:
        raise InvalidQuestion("models", "models: names none")
    return models


def _no_model(router_id: str, model_id: str, known: Collection[str]) -> str:
    return f"{router_id} has no model {model_id[:80]}; it has {', '.join(sorted(known))}"


def to_json(answer: Answer) -> dict[str, object]:
    """The answer as JSON: each estimator's figures, the log's own figures, and what was left out."""
    return {
        "target": _side(answer.target),
        "logged": _side(answer.logged),
        "left_out": dict(answer.left_out),
    }


def _side(evaluation: Evaluation) -> dict[str, object]:
    def figures(estimates: Mapping[Figure, Estimate]) -> dict[str, dict[str, float]]:
        return {figure.value: {"mean": e.mean, "low": e.low, "high": e.high} for figure, e in estimates.items()}

    return {
        "decisions": evaluation.decisions,
        "ips": figures(evaluation.ips),
        "snips": figures(evaluation.snips),
        "doubly_robust": figures(evaluation.doubly_robust),
        "effective_size": {figure.value: size for figure, size in evaluation.effective_size.items()},
        "refused": {figure.value: why for figure, why in evaluation.refused.items()},
        "left_out": dict(evaluation.left_out),
        "notes": list(evaluation.notes),
    }


def logged(view: DecisionView, choice: Choice) -> Logged | str:
    """A recorded request as off-policy evaluation needs it: its first draw. A string says why it is unusable."""
    decision = view.decision
    if not view.attempts:
        return "no model was called"
    first = view.attempts[0]
    answered = first.ending is Ending.COMPLETE
    if not answered and first.ending not in _FAILED:
        return f"the first model's call ended {first.ending}: no fault of its own"
    mean = view.scores.mean() if answered else None
    return Logged(
        at=decision.at,
        task=decision.task,
        model_id=decision.drawn_model_id,
        probabilities={arm.model_id: arm.p for arm in choice.arms},
        randomised=decision.randomised,
        answered=answered,
        cost_usd=first.cost_usd,
        seconds=first.seconds,
        score=mean,
        scored_at=None if mean is None else max(each.at for each in view.feedback),
        weight=1.0 if mean is None else view.scores.weight(),
    )


def views_since(ledger: Ledger, router_id: str, since: Epoch, most: int = MOST_DECISIONS) -> Iterator[DecisionView]:
    """The router's decisions since an instant, newest first, up to `most`."""
    cursor: str | None = None
    count = 0
    while count < most:
        page = ledger.decisions(router_id, cursor, 200)
        for view in page.views:
            if view.decision.at < since:
                return
            count += 1
            yield view
        cursor = page.cursor
        if cursor is None:
            return
