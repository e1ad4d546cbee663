"""Metrics of whole gateways: one truth whichever worker is asked, every answer counted, a clean exposition."""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.families import FAMILIES, Kind
from tests.support.gateway import GatewayProcess
from tests.support.waiting import wait_until

MESSAGES = [{"role": "user", "content": "Say hello"}]
DOCS = Path(__file__).parents[3] / "docs"
PROMTOOL = shutil.which("promtool")
GONE = "http://127.0.0.1:9/v1"
CONFIGURATION = f"""
listen = "127.0.0.1:0"

[providers.gone]
base_url = "{GONE}"

[models."gone/model"]
input_usd_per_million = 1.0
output_usd_per_million = 1.0

[routers.rtr_default]
models = ["simulated/swift"]
max_usd_per_day = 50.0

[routers.rtr_gone]
models = ["gone/model"]
"""


def ask(gateway: GatewayProcess, router_id: str = "rtr_default", **changed: object) -> httpx.Response:
    """Ask on a connection of its own, which any worker may accept."""
    with gateway.client() as http:
        body = {"model": "dari/routing", "messages": MESSAGES, **changed}
        return http.post(f"/{router_id}/chat/completions", json=body)


def scrape(gateway: GatewayProcess) -> str:
    answer = httpx.get(f"{gateway.url}/metrics", timeout=30.0, trust_env=False)
    assert answer.status_code == 200
    return answer.text


def families(gateway: GatewayProcess) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(scrape(gateway))}


def value(gateway: GatewayProcess, sample: str, **labels: str) -> float:
    """The sum of the samples of this name with these labels."""
    return sum(
        each.value
        for family in families(gateway).values()
        for each in family.samples
        if each.name == sample and labels.items() <= each.labels.items()
    )


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_twelve_scrapes_of_any_number_of_workers_read_the_same_twenty_requests(tmp_path: Path, workers: int) -> None:
    with GatewayProcess(tmp_path, CONFIGURATION, workers=workers) as gateway:
        wait_until(lambda: value(gateway, "bandit_gateway_workers") == workers, "all workers serve")
        for _ in range(20):
            assert ask(gateway).status_code == 200
        counters = ("responses_total", "request_seconds_count", "attempts_total", "choices_total")
        read = [[value(gateway, f"bandit_gateway_{name}") for name in counters] for _ in range(12)]
        assert read == [[20.0] * len(counters)] * 12


def test_a_killed_worker_leaves_its_counts_and_a_new_gateway_starts_at_zero(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, CONFIGURATION, workers=2) as gateway:
        for _ in range(10):
            ask(gateway)
        worker = psutil.Process(gateway.pid).children()[0]
        worker.kill()
        wait_until(
            lambda: worker.pid not in {each.pid for each in psutil.Process(gateway.pid).children()}, "it is replaced"
        )
        wait_until(lambda: value(gateway, "bandit_gateway_workers") == 2, "two workers serve again")
        assert value(gateway, "bandit_gateway_responses_total") == 10.0
        started = value(gateway, "process_start_time_seconds")
        gateway.stop()
        gateway.start()
        assert value(gateway, "bandit_gateway_responses_total") == 0.0
        assert value(gateway, "process_start_time_seconds") > started


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), CONFIGURATION, workers=2) as running:
        yield running


JSON = {"content-type": "application/json"}
REFUSED = [
    ("rtr_default", {"headers": {"authorization": "Bearer wrong"}}, 401, "rtr_default", "invalid_api_key"),
    ("rtr_default", {"json": {"model": "gpt-4"}}, 400, "rtr_default", "model_not_supported"),
    ("rtr_default", {"content": b"{", "headers": JSON}, 400, "rtr_default", "invalid_json"),
    ("rtr_default", {"content": b"{}"}, 415, "rtr_default", "unsupported_media_type"),
    ("rtr_made_up", {"json": {}}, 404, "", "router_not_found"),
]


@pytest.mark.parametrize(("router_id", "sent", "status", "label", "code"), REFUSED)
def test_a_refused_request_is_counted_under_its_code(
    gateway: GatewayProcess, router_id: str, sent: dict[str, object], status: int, label: str, code: str
) -> None:
    labels = {"router": label, "status": "refused", "fault": "caller", "code": code, "model": ""}
    before = value(gateway, "bandit_gateway_responses_total", **labels)
    with gateway.client() as http:
        request = http.build_request("POST", f"/{router_id}/chat/completions", **sent)  # type: ignore[arg-type]  # one of its ways to send
        assert http.send(request).status_code == status
    assert value(gateway, "bandit_gateway_responses_total", **labels) == before + 1.0


def test_every_answer_of_other_routes_is_counted_by_its_route(gateway: GatewayProcess) -> None:
    def counted(**labels: str) -> float:
        return value(gateway, "bandit_gateway_http_responses_total", **labels)

    with gateway.client() as http:
        http.get("/admin/decisions/chatcmpl-nothing")
        http.get("/a/path/of/the/caller")
        http.request("TRACE", "/healthz")
        unknown = {"completion_id": "chatcmpl-req_" + "0" * 32, "score": 1}
        # A worker that has just started can't tell yet whether another one's spool has the completion: 503.
        wait_until(lambda: http.post("/feedback", json=unknown).status_code == 404, "it is known to be nowhere")
    assert counted(route="/admin/decisions/{completion_id}", method="GET", http_status="404") == 1.0
    assert counted(route="", method="GET", http_status="404") == 1.0
    assert counted(method="", http_status="405") == 1.0
    assert counted(route="/feedback", method="POST", http_status="404") == 1.0
    assert value(gateway, "bandit_gateway_feedback_total", result="unknown", router="") == 1.0
    assert counted(route="/metrics") >= 1.0


def test_a_model_that_fails_is_told_by_every_scrape_of_every_worker(gateway: GatewayProcess) -> None:
    for number in range(8):
        ask(gateway, "rtr_gone", messages=[{"role": "user", "content": f"question {number}"}])
    labels = {"model": "gone/model", "state": "cooling", "reason": "failing"}
    wait_until(lambda: value(gateway, "bandit_gateway_model_state", **labels) >= 1.0, "the cooling model is told")
    assert value(gateway, "bandit_gateway_model_state", model="simulated/swift", state="ok") == 2.0
    assert value(gateway, "bandit_gateway_model_state", model="gone/model") == 2.0
    assert value(gateway, "bandit_gateway_responses_total", router="rtr_gone", fault="provider") == 8.0


def test_an_answer_is_counted_with_its_money_tokens_and_score(gateway: GatewayProcess) -> None:
    answer = ask(gateway).json()
    with gateway.client() as http:
        http.post("/feedback", json={"completion_id": answer["id"], "score": 1}).raise_for_status()
    labels = {"router": "rtr_default", "model": "simulated/swift"}
    assert value(gateway, "bandit_gateway_tokens_total", **labels, direction="output") > 0.0
    assert value(gateway, "bandit_gateway_cost_usd_total", **labels) > 0.0
    assert value(gateway, "bandit_gateway_feedback_total", router="rtr_default", result="recorded") == 1.0
    assert value(gateway, "bandit_gateway_feedback_delay_seconds_count", router="rtr_default") == 1.0
    assert value(gateway, "bandit_gateway_budget_limit_usd", scope="router", id="rtr_default") == 50.0
    assert value(gateway, "process_cpu_seconds_total") > 0.0
    assert value(gateway, "process_resident_memory_bytes") > 20e6
    assert value(gateway, "bandit_gateway_build_info") == 1.0


def test_a_budget_that_was_taken_away_is_told_no_longer(gateway: GatewayProcess) -> None:
    budget = {"max_usd_per_day": 3.0, "budget_usd_per_request": 0.5}
    with gateway.client() as http:
        body = {"id": "rtr_budget", "models": ["simulated/swift"], **budget}
        http.post("/admin/routers", json=body).raise_for_status()

        def told() -> set[str]:
            names = ("spent_usd", "limit_usd", "multiplier")
            found = families(gateway)
            return {
                name
                for name in names
                for sample in found[f"bandit_gateway_budget_{name}"].samples
                if "rtr_budget" in sample.labels.values()
            }

        wait_until(lambda: told() == {"spent_usd", "limit_usd", "multiplier"}, "the budgets are told")
        http.patch("/admin/routers/rtr_budget", json={"max_usd_per_day": None}).raise_for_status()
        wait_until(lambda: told() == {"multiplier"}, "the day's limit is told no longer")
        http.delete("/admin/routers/rtr_budget").raise_for_status()
        wait_until(lambda: told() == set(), "nothing is told of a router that is gone")


def test_every_scrape_tells_the_same_of_what_is_believed_of_models_and_so_does_the_management_api(
    gateway: GatewayProcess,
) -> None:
    names = [f"bandit_gateway_posterior_{name}" for name in ("quality", "quality_deviation", "seconds", "cost_usd")]
    labels = {"router": "rtr_default", "model": "simulated/swift", "task": ""}
    with gateway.client() as http:
        stats = http.get("/admin/routers/rtr_default/stats").json()
    (model,) = stats["models"]
    spread = (model["quality"]["high"] - model["quality"]["low"]) / 2 / 1.6449  # unless an end of the scale cuts it
    believed = [model["quality"]["mean"], model["seconds"]["mean"], model["cost_per_answer_usd"]["mean"]]

    def told() -> list[float]:
        return [value(gateway, name, **labels) for name in names]

    def tells_what_is_believed() -> bool:
        quality, _, *others = told()
        return [quality, *others] == pytest.approx(believed, rel=0.05)

    wait_until(tells_what_is_believed, "the first worker tells what it believes now")
    read = [told() for _ in range(6)]
    assert all(
        each == pytest.approx(read[0], rel=0.01) for each in read
    )  # what is believed may move between two scrapes
    assert read[0][1] >= spread * 0.99
    assert value(gateway, "bandit_gateway_admin_request_seconds_count", route="/admin/routers/{router_id}/stats") == 1.0
    assert 0.0 <= value(gateway, "bandit_gateway_replica_lag_seconds") < 60.0
    assert value(gateway, "python_gc_collections_total", generation="0") > 0.0


def test_the_exposition_has_no_name_twice_and_every_histogram_is_whole(gateway: GatewayProcess) -> None:
    ask(gateway, stream=True)
    text = scrape(gateway)
    parsed = list(text_string_to_metric_families(text))
    assert len({family.name for family in parsed}) == len(parsed)
    samples = [(each.name, tuple(sorted(each.labels.items()))) for family in parsed for each in family.samples]
    assert len(set(samples)) == len(samples)
    assert all(family.documentation for family in parsed)
    for family in parsed:
        if family.type == "histogram":
            ended = {each.labels["le"] for each in family.samples if each.name.endswith("_bucket")}
            assert "+Inf" in ended or not family.samples


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus")
def test_promtool_finds_nothing_to_say_about_the_exposition(gateway: GatewayProcess) -> None:
    ask(gateway, stream=True)
    assert PROMTOOL is not None
    ran = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=scrape(gateway), capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


def test_what_is_refused_before_there_is_a_request_is_counted(gateway: GatewayProcess) -> None:
    before = value(gateway, "bandit_gateway_http_responses_total", route="", http_status="400")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30.0) as connection:
        connection.sendall(b"this is no HTTP\r\n\r\n")
        assert connection.recv(1_000).startswith(b"HTTP/1.1 400")
    assert value(gateway, "bandit_gateway_http_responses_total", route="", http_status="400") == before + 1.0


def expressions() -> list[str]:
    """All PromQL of the board and the alerts, with values in place of the board's variables."""
    board = json.loads((DOCS / "grafana.json").read_text("utf-8"))
    found = [each["expr"] for panel in board["panels"] for each in panel.get("targets", [])]
    found += [each["expr"] for each in board["annotations"]["list"]]
    rules = (DOCS / "alerts.yml").read_text("utf-8")
    found += re.findall(r"^    expr: (?:>-\n)?((?:.|\n)*?)^    (?:for|labels):", rules, re.MULTILINE)
    assert len(found) > 40
    values = {"$__rate_interval": "5m", "$router": ".*", "$instance": ".*"}
    return [re.sub(r"\$\w+", lambda match: values[match[0]], each) for each in found]


def test_the_board_and_the_alerts_name_only_what_is_exposed(gateway: GatewayProcess) -> None:
    exposed: dict[str, set[str]] = {"up": {"job", "instance"}}
    for family in FAMILIES:
        suffixes = {Kind.COUNTER: ("_total",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}.get(family.kind, ("",))
        exposed |= {family.name + suffix: {*family.labels, "le"} for suffix in suffixes}
    samples = [each for family in families(gateway).values() for each in family.samples]
    names = {family.name for family in families(gateway).values()}
    assert {family.name for family in FAMILIES} <= names
    exposed |= {each.name: set(each.labels) for each in samples if each.name not in exposed}
    known_values = set(re.findall(r"`(\w+)`", (DOCS / "metrics.md").read_text("utf-8")))
    for expression in expressions():
        for name, _, selector in re.findall(
            r"\b(up|(?:bandit_gateway|process|python_gc)_\w+)(\{([^}]*)\})?", expression
        ):
            assert name in exposed, expression
            for label, said in re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', selector):
                assert label in exposed[name] | {"job", "instance"}, expression
                if label not in {"job", "instance", "router"}:
                    assert set(said.split("|")) - {""} <= known_values, expression
        every_label = set.union(*exposed.values()) | {"instance"}
        for labels in re.findall(r"\bby \(([^)]*)\)", expression):
            assert set(re.split(r",\s*", labels)) <= every_label, expression


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus")
def test_promtool_reads_every_expression_of_the_board_and_the_alerts(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    rules: list[dict[str, Any]] = [{"record": f"r{at}", "expr": expr} for at, expr in enumerate(expressions())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    for file in (DOCS / "alerts.yml", tmp_path / "rules.yml"):
        ran = subprocess.run([PROMTOOL, "check", "rules", str(file)], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
