"""The policies a router can have, by name."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

from bandit.policies.cheapest import Cheapest
from bandit.policies.epsilon_greedy import EpsilonGreedy
from bandit.policies.fastest import Fastest
from bandit.policies.fixed import Fixed
from bandit.policies.flat_beta import FlatBeta
from bandit.policies.gaussian_thompson import GaussianThompson
from bandit.policies.latency_weighted import LatencyWeighted
from bandit.policies.policy import Policy
from bandit.policies.round_robin import RoundRobin
from bandit.policies.static_scorecard import StaticScorecard
from bandit.policies.thompson import Thompson
from bandit.policies.ucb1 import Ucb1
from bandit.policies.uniform import Uniform

PLAIN: Mapping[str, Callable[[], Policy]] = MappingProxyType(
    {
        "thompson": Thompson,
        "uniform": Uniform,
        "cheapest": Cheapest,
        "fastest": Fastest,
        "round_robin": RoundRobin,
        "epsilon_greedy": EpsilonGreedy,
        "ucb1": Ucb1,
        "gaussian_thompson": GaussianThompson,
        "flat_beta": FlatBeta,
        "latency_weighted": LatencyWeighted,
        "static_scorecard": StaticScorecard,
    }
)
"""The policies that need no argument."""

__all__ = ["PLAIN", "Policy", "named"]


@lru_cache(maxsize=256)
def named(text: str) -> Policy:
    """The policy that a setting names: `thompson`, `fixed:openai/gpt-5.5`, `epsilon_greedy:0.05`, …

    Raises ValueError for a name that is unknown or lacks its argument.
    """
    name, _, argument = text.partition(":")
    name = name.strip().lower().replace("-", "_")
    argument = argument.strip()
    if name == "fixed":
        if not argument:
            raise ValueError("policy: 'fixed' needs a model, as in 'fixed:openai/gpt-5.5'")
        return Fixed(argument)
    if name == "epsilon_greedy" and argument:
        return EpsilonGreedy(_share(argument))
    make = PLAIN.get(name)
    if make is None or argument:
        choices = ", ".join(sorted([*PLAIN, "fixed:MODEL"]))
        raise ValueError(f"policy: {text!r} is not known; choose one of {choices}")
    return make()


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"policy: the ε of epsilon_greedy must be from 0 to 1, not {text!r}")
    return share
