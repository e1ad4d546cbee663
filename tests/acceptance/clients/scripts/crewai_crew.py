"""The gateway from CrewAI."""

import os

os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true", "CREWAI_TRACING_ENABLED": "false"}

from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering
from crewai import LLM


def llm(**fields: object) -> LLM:
    return LLM(model="openai/dari/routing", base_url=BASE_URL, api_key=KEY, max_retries=0, **fields)


@check("plain")
def plain() -> str:
    """An answer."""
    said = llm().call("Say hello.")
    assert said
    return str(said)


@check("stream")
def stream() -> str:
    """An answer in pieces."""
    said = llm(stream=True).call("Say hello.")
    assert said
    return str(said)


@check("steered")
def steered() -> str:
    """Headers of a language model."""
    llm(default_headers=steering("run-crewai")).call("Say hello.")
    return send_score_of_episode("run-crewai", 0.9)


run()
