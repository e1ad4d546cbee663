"""The banner tells a newcomer where, with which key, and what to paste."""

import shlex
from dataclasses import replace

from gateway.serving.banner import Banner, Facts
from gateway.serving.discovery import LocalServer

FACTS = Facts(
    version="1.2.3",
    urls=("http://127.0.0.1:8790",),
    database="a.db",
    durability="commit",
    routers={"rtr_default": ["simulated/swift", "simulated/sage"]},
    simulated=True,
    new_key_secret="sk-bg-secret",
    messages=("mind the gap",),
)


def test_the_curl_line_is_one_line_that_a_shell_reads_as_meant() -> None:
    (line,) = [line for line in Banner(FACTS).text().splitlines() if "curl" in line]
    words = shlex.split(line)
    assert words[:2] == ["curl", "http://127.0.0.1:8790/rtr_default/chat/completions"]
    assert "Authorization: Bearer sk-bg-secret" in words
    assert words[-1] == '{"model": "dari/routing", "messages": [{"role": "user", "content": "Say hello."}]}'


def test_the_simulation_is_said_plainly_and_notes_are_passed_on() -> None:
    text = Banner(FACTS).text()
    assert "simulated/* models are simulated" in text
    assert "OPENAI_API_KEY" in text
    assert "Note: mind the gap" in text
    assert "simulated" not in Banner(replace(FACTS, simulated=False, routers={})).text()


def test_without_a_new_key_it_says_how_to_make_one() -> None:
    text = Banner(replace(FACTS, new_key_secret=None)).text()
    assert "bandit-gateway keys create" in text
    assert "curl" not in text


def test_a_router_with_another_name_is_named_in_the_curl_line() -> None:
    text = Banner(replace(FACTS, routers={"rtr_a": ["x/y"], "rtr_b": ["x/y"]})).text()
    assert "/rtr_a/chat/completions" in text


def test_local_servers_come_with_the_lines_that_declare_them() -> None:
    found = (LocalServer("ollama", "http://127.0.0.1:11434/v1", ("llama3",)),)
    assert '[models."ollama/llama3"]' in Banner(FACTS).local_servers(found)
