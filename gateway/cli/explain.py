"""`explain`: show one decision, and compare it with its replay."""

from typing import Annotated

import typer

from gateway.cli.commands import new_app
from gateway.cli.database import managed
from gateway.cli.errors import CommandError
from gateway.cli.options import (
    Config,
    DatabaseUrl,
    Json,
)
from gateway.cli.output import moment, print_table, print_view, tell
from gateway.completions.reason import rule_words
from gateway.dollars import dollars
from gateway.ids import parse_completion_id
from gateway.management.decision_details import decision_view, find_decision
from gateway.reports.explanation import Explained, NotExplainable

app = new_app()


@app.command()
def explain(
    completion_id: Annotated[str, typer.Argument(help="chatcmpl-req_… or req_…, as an answer's id or x-request-id.")],
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Explain one decision: candidates, probabilities, the draw and the outcome, compared with a replay."""
    if parse_completion_id(completion_id) is None:
        raise CommandError(f"a completion's id looks like chatcmpl-req_… or req_…, not {completion_id[:80]!r}", 2)
    with managed(config, database_url) as management:
        try:
            explained = find_decision(management, completion_id)
        except NotExplainable as error:
            raise CommandError(str(error)) from None
        if json:
            print_view(decision_view(management, explained, with_content=True))
        else:
            _print(explained)


def _print(explained: Explained) -> None:
    view, choice = explained.view, explained.choice
    decision, outcome = view.decision, view.outcome
    tell(f"{decision.completion_id}  {moment(decision.at)}  router {decision.router_id}, policy {decision.policy}")
    tell(f"{outcome.reason}\n")
    rows = [
        (
            ("→ " if arm.model_id == decision.drawn_model_id else "  ") + arm.model_id,
            f"{arm.p:.4f}",
            f"{arm.p_best:.4f}",
            f"{arm.mean_usd:.5f}",
            f"{arm.deviation_usd:.5f}",
            f"{arm.quality:.3f} ± {arm.quality_deviation:.3f}",
            f"{arm.scores:.1f}",
            f"{arm.success:.3f}",
            f"{arm.cost_usd:.5f}",
            f"{arm.seconds:.2f}",
        )
        for arm in choice.arms
    ]
    columns = ("  model", "p→", "p best→", "value $→", "± $→", "quality→", "scores→", "success→", "cost $→", "seconds→")
    print_table(columns, rows, "")
    for model_id, why in choice.left_out:
        tell(f"  {model_id} was no candidate: {why}")
    for rule in choice.rules:
        when = f" (when: {rule.when})" if rule.when else ""
        tell(f"  {rule_words(rule, in_force=rule is choice.rule)}{when}")
    goal = choice.objective
    tell(
        f"\ntask {decision.task or 'general'}, about {decision.estimated_prompt_tokens} prompt tokens; a perfect "
        f"answer is worth {dollars(goal.quality_usd, 4)}, a second {dollars(goal.second_usd, 4)}, "
        f"a failure {dollars(goal.failure_usd, 4)}; "
        f"a dollar counts {choice.price_multiplier:.3g}"
    )
    drawn = f"u = {decision.u:.6f}" if decision.randomised else "not drawn at random"
    tell(f"{drawn}: {decision.drawn_model_id}, with probability {decision.propensity:.4f}")
    if choice.experiment is not None:
        parts = ", ".join(f"{part.policy} {part.share:.3g}" for part in choice.experiment.parts)
        tell(f"experiment {choice.experiment.id} by {choice.experiment.unit}: {parts}")
    for attempt in view.attempts:
        detail = f" ({attempt.detail})" if attempt.detail else ""
        ended = f"{attempt.ending} after {attempt.seconds:.2f} s"
        source = " stated by the provider" if attempt.cost_stated else " estimated" if attempt.estimated else ""
        tell(f"attempt {attempt.number}: {attempt.model_id}, {ended}, ${attempt.cost_usd:.6f}{source}{detail}")
    tell(f"outcome: {outcome.status}, {outcome.seconds:.2f} s, ${outcome.cost_usd:.6f}")
    for each in view.feedback:
        tell(f"feedback: {each.score:g} from {each.source}, {moment(each.at)}")
    if view.shadow is not None:
        tell(f"shadow: {view.shadow.model_id}, {view.shadow.score:g} from judge")
    tell(explained.verdict)
