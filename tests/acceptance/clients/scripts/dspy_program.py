"""The gateway from DSPy."""

import dspy
from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering


def lm(**fields: object) -> dspy.LM:
    return dspy.LM("openai/dari/routing", api_base=BASE_URL, api_key=KEY, cache=False, num_retries=0, **fields)


@check("plain")
def plain() -> str:
    """An answer."""
    (said,) = lm()("Say hello.")
    assert said
    return str(said)


@check("responses")
def responses() -> str:
    """The same by the Responses API."""
    (said,) = lm(model_type="responses")("Say hello.")
    assert said
    return str(said)


@check("steered")
def steered() -> str:
    """Headers of every request of a language model."""
    lm(extra_headers=steering("run-dspy"))("Say hello.")
    return send_score_of_episode("run-dspy", 0.9)


run()
