"""Assigns units to the parts of an experiment, and draws an arm within one."""

from dataclasses import replace

from bandit.draws import draw, drawn_beside
from bandit.experiment import Experiment, Unit, part_at
from bandit.policies import named
from bandit.types import Choice, Draw


def assign(experiment: Experiment, secret: bytes, unit: str) -> tuple[int, float]:
    """The part that a unit belongs to, and the number in (0, 1) that says so: an HMAC, as that of a draw.

    A unit keeps its number for as long as the router keeps its secret, whatever the parts are.
    """
    u = drawn_beside(secret, f"experiment {experiment.unit}", unit)
    return part_at([part.share for part in experiment.parts], u), u


def draw_assigned(choice: Choice, secret: bytes, completion_id: str, assignment: float) -> Draw:
    """Draw the arm of a first attempt from the choice of the part that `assignment` has led to.

    The propensity is that of `ExperimentView.logged`.
    """
    drawn, view = draw(choice, secret, completion_id), choice.experiment
    if view is None:
        raise ValueError("choice: was made in no experiment")
    logged = dict(zip((arm.model_id for arm in choice.arms), view.logged, strict=True))
    return replace(drawn, propensity=logged[drawn.model_id], randomised=is_randomised(choice), assignment=assignment)


def is_randomised(choice: Choice) -> bool:
    """Whether a first draw from the choice counts as randomised.

    If users or keys are assigned, a part that gives some candidate no probability says nothing about that one, and
    does not; thompson explores, and does.
    """
    view = choice.experiment
    if view is None or view.unit == Unit.REQUEST:
        return True
    return named(choice.policy).explores or min(view.logged) > 0.0
