"""A team's set-up, as docs/deploy.md describes it, played on this machine without a container or a systemd.

The unit's own command lines, nginx' example, two gateways, one PostgreSQL and a scrape.
"""

import os
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import DefaultHttpxClient, OpenAI
from prometheus_client.parser import text_string_to_metric_families

from tests.support.databases import execute
from tests.support.gateway import COMMAND_LINE, clean_environ
from tests.support.postgresql import PostgresqlServer
from tests.support.processes import CHECKOUT, END_SECONDS, end, spawn, tail
from tests.support.proxies import free_ports, nginx, replaced
from tests.support.systemd_unit import Service, read_unit
from tests.support.threads import serve_app
from tests.support.ticking_provider import TickingProvider
from tests.support.waiting import wait_until

UNIT = "bandit-gateway@.service"
MESSAGES: Any = [{"role": "user", "content": "Hi"}]
BODY: Any = {"model": "dari/routing", "messages": MESSAGES}


@dataclass
class Replica:
    """One gateway as its unit starts it."""

    service: Service
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.service.folder.mkdir(parents=True)
        self.log = self.service.folder / "journal"

    def start(self) -> None:
        environ = {**clean_environ(), **self.service.environ, "PYTHONPATH": str(CHECKOUT)}
        self.process = spawn(self.service.start, self.log, environ=environ, folder=self.service.folder)
        wait_until(lambda: self.ready() == 200 or self.ended(), f"{self.port} is ready", END_SECONDS)
        assert not self.ended(), tail(self.log)

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def ready(self) -> int:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False, timeout=5).status_code
        except httpx.HTTPError:
            return 0

    def knows(self, key: str) -> bool:
        headers = {"authorization": f"Bearer {key}"}
        url = f"http://127.0.0.1:{self.port}/rtr_support/models"
        return httpx.get(url, headers=headers, trust_env=False, timeout=5).status_code == 200

    def reload(self) -> None:
        assert self.process is not None
        subprocess.run(self.service.reload.replace("$MAINPID", str(self.process.pid)), shell=True, check=True)  # noqa: S602

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_SECONDS)


@dataclass
class Team:
    """All that the page sets up."""

    replicas: list[Replica]
    proxy: httpx.Client
    provider: TickingProvider
    etc: Path

    def run(self, *arguments: str) -> str:
        """Run `bandit-gateway` as the page does, with its configuration."""
        environ = {**clean_environ(), **self.replicas[0].service.environ, "PYTHONPATH": str(CHECKOUT)}
        command = [sys.executable, *COMMAND_LINE, *arguments, "--config", str(self.etc / "bandit-gateway.toml")]
        ran = subprocess.run(command, env=environ, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


@pytest.fixture(scope="module")
def team(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    etc, provider = folder / "etc", TickingProvider()
    etc.mkdir()
    execute(postgresql.url(), "CREATE DATABASE team")
    (etc / "database-url").write_text(postgresql.url("team") + "\n")
    (etc / "admin-key").write_text(secrets.token_hex(24) + "\n")
    (etc / "openai-key").write_text("sk-one\n")
    program = folder / "bandit-gateway"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {" ".join(COMMAND_LINE)} "$@"\n')
    program.chmod(0o755)
    folders = {
        "/opt/bandit-gateway/bin/bandit-gateway": str(program),
        "/etc/bandit-gateway": str(etc),
        "/var/lib/bandit-gateway": str(folder / "state"),
    }
    ports = free_ports(2)
    replicas = [Replica(read_unit(UNIT, str(port), folders), port) for port in ports]
    with serve_app(provider) as url:
        example = (CHECKOUT / "deploy" / "bandit-gateway.toml").read_text()
        key = 'api_key = "file:openai-key"'
        (etc / "bandit-gateway.toml").write_text(replaced(example, {key: f'{key}\nbase_url = "{url}/v1"'}))
        with nginx(folder, ports) as proxy:
            try:
                for replica in replicas:
                    replica.start()
                yield Team(replicas, proxy, provider, etc)
            finally:
                provider.enough.set()
                for replica in replicas:
                    if replica.process is not None:
                        end(replica.process)


@pytest.fixture(scope="module")
def key(team: Team) -> str:
    secret = team.run("keys", "create", "--label", "app", "--scope", "routing", "--scope", "feedback")
    wait_until(lambda: all(replica.knows(secret) for replica in team.replicas), "both gateways know the key")
    return secret


@pytest.fixture(scope="module")
def client(team: Team, key: str) -> Iterator[OpenAI]:
    trusted = DefaultHttpxClient(verify=ssl.create_default_context(cafile=team.etc.parent / "cert.pem"))
    url = str(team.proxy.base_url.join("/rtr_support"))
    with OpenAI(base_url=url, api_key=key, http_client=trusted, max_retries=0) as official:
        yield official


def test_both_gateways_answer_behind_nginx(team: Team, key: str, client: OpenAI) -> None:
    answers = [client.chat.completions.create(model="dari/routing", messages=MESSAGES) for _ in range(8)]
    assert {answer.choices[0].message.content for answer in answers} == {"Hello!"}
    scored = {"completion_id": answers[0].id, "score": 1.0}
    headers = {"authorization": f"Bearer {key}"}
    assert team.proxy.post("/feedback", json=scored, headers=headers).status_code == 200
    wait_until(lambda: all(_scraped(team, replica) > 0 for replica in team.replicas), "both have answered")


def test_what_is_for_operators_is_closed_at_the_proxy_and_needs_a_key_behind_it(team: Team) -> None:
    for path in ("/metrics", "/docs", "/docs/assets/swagger-ui.css", "/openapi.json", "/admin/reload"):
        assert team.proxy.get(path).status_code == 404
        assert "nginx" in team.proxy.get(path).text
    forwarded = {"x-forwarded-for": "192.0.2.1"}
    direct = f"http://127.0.0.1:{team.replicas[0].port}/metrics"
    assert httpx.get(direct, headers=forwarded, trust_env=False).status_code == 401
    assert "problems" not in team.proxy.get("/readyz").json(), "details are for operators"


def test_a_scrape_as_the_page_configures_it_reads_both_gateways(team: Team, client: OpenAI) -> None:
    page = (CHECKOUT / "docs" / "metrics.md").read_text()
    assert re.search(r"authorization: \{credentials_file: \S+\}", page)
    before = sum(_scraped(team, replica) for replica in team.replicas)
    for _ in range(4):
        client.chat.completions.create(model="dari/routing", messages=MESSAGES)
    wait_until(lambda: sum(_scraped(team, replica) for replica in team.replicas) == before + 4, "all are counted")


def test_a_stream_is_not_buffered(team: Team, client: OpenAI) -> None:
    team.provider.enough.clear()
    stream = client.chat.completions.create(model="dari/routing", messages=MESSAGES, stream=True)
    pieces = iter(stream)
    first = next(pieces), next(pieces), next(pieces)  # the provider will say more only after these
    assert any(chunk.choices[0].delta.content for chunk in first)
    team.provider.enough.set()
    assert [each.choices[0].finish_reason for each in pieces if each.choices][-1] == "stop"


def test_a_renewed_key_is_read_by_the_units_reload(team: Team) -> None:
    (team.etc / "openai-key").write_text("sk-two\n")
    for replica in team.replicas:
        replica.reload()
        wait_until(lambda each=replica: "api_key has changed" in each.log.read_text(), "it is read")  # type: ignore[misc]  # a loop's variable
    assert "sk-" not in "".join(replica.log.read_text() for replica in team.replicas)


def test_gateways_are_stopped_one_by_one_and_neither_a_stream_nor_a_request_is_lost(team: Team, key: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    with ThreadPoolExecutor(3) as threads:
        for replica in team.replicas:
            team.provider.enough.clear()
            streams = [threads.submit(_stream, team, headers) for _ in range(2)]
            wait_until(lambda: team.provider.streams == 2, "both streams run")
            stopping = threads.submit(replica.stop)
            statuses = []
            while not stopping.done():
                statuses.append(
                    team.proxy.post("/rtr_support/chat/completions", json=BODY, headers=headers).status_code
                )
                if replica.ready() == 0:  # it accepts no more, and waits for its streams
                    team.provider.enough.set()
            assert set(statuses) == {200}, "requests went to the other one"
            assert stopping.result() == 0
            for stream in streams:
                assert stream.result().endswith("data: [DONE]\n\n")
            replica.start()
    assert team.run("rebuild", "--check").startswith("equal:")


def test_the_unit_is_valid(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here")
    unit = tmp_path / "bandit-gateway@8791.service"
    text = (CHECKOUT / "deploy" / UNIT).read_text()
    unit.write_text(text.replace("/opt/bandit-gateway/bin/bandit-gateway", sys.executable).replace("%i", "8791"))
    ran = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False, env=os.environ)
    assert [line for line in ran.stderr.splitlines() if unit.name in line] == []


def _scraped(team: Team, replica: Replica) -> float:
    headers = {"authorization": f"Bearer {(team.etc / 'admin-key').read_text().strip()}"}
    answer = httpx.get(f"http://127.0.0.1:{replica.port}/metrics", headers=headers, trust_env=False)
    assert answer.status_code == 200
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    return sum(each.value for each in families["bandit_gateway_responses"].samples if each.name.endswith("_total"))


def _stream(team: Team, headers: dict[str, str]) -> str:
    body = {**BODY, "stream": True}
    with team.proxy.stream("POST", "/rtr_support/chat/completions", json=body, headers=headers) as answer:
        return "".join(answer.iter_text())
