"""Real clients are tried by rules to be trusted: each check is asked for, read and judged; no failure hides."""

import ast
import io
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gateway.settings import load
from tests.acceptance.clients import __main__ as command
from tests.acceptance.clients import environments
from tests.acceptance.clients.__main__ import parse
from tests.acceptance.clients.checks import PAGE, PAGE_URL, Tried, Verdict, example, judge, read_lines, try_client
from tests.acceptance.clients.environments import KEPT, SCRIPTS, NoNode, NotInstalled, home, install, program
from tests.acceptance.clients.gateway import ROUTER, configuration, cut_router, run_gateway
from tests.acceptance.clients.report import Outcome, as_json, has_failed, show
from tests.acceptance.clients.roster import CHECKS, CLIENTS, Client

by_name = {client.name: client for client in CLIENTS}
each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
NO_COLLISION = {client.package.replace("-", "_") for client in CLIENTS} | {"langchain_openai", "pydantic_ai", "agents"}


@each_client
def test_every_client_s_script_tells_of_every_check(client: Client) -> None:
    source = (SCRIPTS / client.script).read_text("utf-8")
    for check in set(client.checks) - {"page"}:
        asked = f'@check("{check}")' if client.requirement else f"async {json.dumps(check) if '-' in check else check}("
        assert asked in source, check
    assert client.cannot.keys() <= set(client.checks) <= CHECKS.keys()


def test_no_script_has_the_name_of_a_package_that_it_would_hide() -> None:
    assert not {path.stem for path in SCRIPTS.iterdir()} & NO_COLLISION


@pytest.mark.parametrize(
    "client", [client for client in CLIENTS if "page" in client.checks], ids=lambda each: each.name
)
def test_every_client_with_a_section_has_an_example_on_the_page_that_can_be_run(client: Client) -> None:
    code = example(PAGE.read_text("utf-8"), client.name)
    assert code is not None
    assert PAGE_URL in code
    assert "instructions" in code
    if client.requirement:
        ast.parse(code)


def test_the_page_names_the_versions_that_are_tried() -> None:
    (row,) = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| tried with |")]
    of_python = [client.requirement for client in CLIENTS if client.requirement and "page" in client.checks]
    wanted = [requirement.partition("~=")[2] for requirement in of_python]
    for_node = json.loads((SCRIPTS / "package.json").read_text())["dependencies"]
    wanted += [for_node[name].removeprefix("~") for name in ("openai", "ai", "@ai-sdk/openai-compatible")]
    assert re.findall(r"\d+\.\d+", row) == [version.rpartition(".")[0] for version in wanted]


def test_the_page_has_a_line_for_every_other_client() -> None:
    """With the version that is tried, and how it says what it can't put into fields."""
    lines = [line.split("|")[1:-1] for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    named = {cells[0].strip(" `"): cells for cells in lines if len(cells) == 4}
    others = {client.name: client for client in CLIENTS if "page" not in client.checks}
    assert named.keys() == others.keys()
    for_node = json.loads((SCRIPTS / "package.json").read_text())["dependencies"]
    for name, client in others.items():
        version = client.requirement.partition("~=")[2] if client.requirement else for_node[client.package][1:]
        assert ".".join(version.split()[0].split(".")[:2]) in named[name][1], name


def test_an_example_is_its_client_s_own() -> None:
    page = "# C\n\n## One (`one`)\n\nNothing.\n\n## Two (`two`)\n\nWords.\n\n```python\nprint(2)\n```\n"
    assert example(page, "two") == "print(2)\n"
    assert example(page, "one") is None
    assert example(page, "three") is None


chatter = st.text(st.characters(exclude_characters="{", codec="utf-8"), max_size=40)


@given(st.dictionaries(st.sampled_from(sorted(CHECKS)), st.tuples(st.booleans(), st.text(max_size=20))), st.data())
def test_checks_are_read_out_of_any_chatter(told: dict[str, tuple[bool, str]], data: st.DataObject) -> None:
    lines = []
    for check, (ok, detail) in told.items():
        lines += [data.draw(chatter), json.dumps({"check": check, "ok": ok, "detail": detail}), data.draw(chatter)]
    assert read_lines("\n".join(lines)) == told


def test_what_is_not_a_line_of_a_check_is_passed_over() -> None:
    assert read_lines('{}\n[1]\n"x"\n{"check": "plain"}\n{"check": ["x"], "ok": true, "detail": ""}\nnull') == {}
    assert read_lines('{"check": "plain", "ok": "yes", "detail": 3}') == {"plain": (False, "3")}


@pytest.mark.parametrize(
    ("check", "told", "verdict", "detail"),
    [
        ("plain", (True, "fine"), Verdict.OK, "fine"),
        ("plain", (False, "bad"), Verdict.FAILED, "bad"),
        ("plain", None, Verdict.FAILED, "it died"),
        ("reason", (False, "KeyError"), Verdict.CANNOT, "it drops it"),
        ("reason", None, Verdict.FAILED, "it died"),
        ("reason", (True, "a reason"), Verdict.CANNOT, "declared, but it works now: a reason"),
    ],
)
def test_only_a_declared_failure_that_was_told_is_excused(
    check: str, told: tuple[bool, str] | None, verdict: Verdict, detail: str
) -> None:
    client = Client("x", "x", "x.py", "x", {"reason": "it drops it"})
    assert judge(client, check, told, "it died") == Tried(check, verdict, detail)


def test_the_gateway_s_configuration_is_one_that_it_takes(tmp_path: Path) -> None:
    path = tmp_path / "bandit-gateway.toml"
    path.write_text(configuration(by_name, "sqlite:///ledger.db", "http://127.0.0.1:9/v1"))
    settings = load(path, {})
    assert settings.routers.keys() == {ROUTER} | {cut_router(name) for name in by_name}
    assert {settings.models[f"faulty/{name}"].upstream_name for name in by_name} == {"cut"}


def test_names_are_checked_before_anything_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse([]).only is None
    assert parse([]).keep == KEPT
    assert parse(["--only", "openai, ai-sdk"]).only == ["openai", "ai-sdk"]
    for wrong in ("openai,nothing", ","):
        with pytest.raises(SystemExit):
            parse(["--only", wrong])
        assert "is not among openai, langchain" in capsys.readouterr().err


def test_an_environment_is_kept_while_it_is_what_is_wanted_and_made_anew_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    fails = False

    def run(command: list[str]) -> str:
        ran.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
        if fails and "install" in command:
            raise NotInstalled("no network")
        return "1.2.3\n"

    monkeypatch.setattr(environments, "_run", run)
    client = Client("x", "x-package", "x.py", "x>=1")
    _, version = install(client, tmp_path)
    assert (version, len(ran)) == ("1.2.3", 3)
    assert "x>=1" in ran[1]
    install(client, tmp_path)
    assert len(ran) == 4, "the second time it is only asked for its version"
    fails = True
    newer = Client("x", "x-package", "x.py", "x>=2")
    for _ in range(2):
        with pytest.raises(NotInstalled, match="no network"):
            install(newer, tmp_path)
    fails = False
    install(newer, tmp_path)
    assert "x>=2" in ran[-2], "half an environment is not taken for a whole one"


def test_without_node_its_clients_are_left_out_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(NoNode, match="not on this machine"):
        install(by_name["ai-sdk"], tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(environments, "_run", lambda _: "v16.20.0\n")
    with pytest.raises(NoNode, match=r"v16\.20\.0; 18 or newer"):
        install(by_name["ai-sdk"], tmp_path)


def test_scripts_for_node_lie_beside_what_they_import(tmp_path: Path) -> None:
    assert program(by_name["ai-sdk"], tmp_path) == tmp_path / "node" / "ai_sdk.mjs"
    assert home(by_name["openai-node"], tmp_path) == home(by_name["ai-sdk"], tmp_path)
    assert program(by_name["openai"], tmp_path) == SCRIPTS / "openai_python.py"


def test_what_failed_is_told_and_counts() -> None:
    fine = Outcome("openai", "1.0", tried=[Tried("plain", Verdict.OK, "fine"), Tried("reason", Verdict.CANNOT, "why")])
    left_out = Outcome("ai-sdk", trouble="node is not here")
    assert not has_failed([fine, left_out])
    bad = Outcome("litellm", tried=[Tried("cut", Verdict.FAILED, "[nothing] was raised")])
    assert has_failed([fine, bad])
    assert has_failed([Outcome("ai-sdk", trouble="no network", is_failure=True)])
    console = Console(width=120, record=True, file=io.StringIO())
    show(console, [fine, left_out, bad], details=False)
    text = console.export_text()
    assert "litellm: cut: failed: [nothing] was raised" in text
    assert "openai: reason: cannot: why" in text
    assert "ai-sdk: node is not here" in text
    assert "openai: plain" not in text
    told: Any = as_json([fine, bad])
    assert (told["litellm"]["failures"], told["openai"]["failures"]) == (1, 0)


@pytest.mark.parametrize(
    ("arguments", "error", "status"),
    [
        ([], NoNode("no node"), 0),
        ([], NotInstalled("no network"), 1),
        (["--only", "ai-sdk"], NoNode("no node"), 1),
        (["--allow-missing"], NotInstalled("no network"), 0),
        (["--allow-missing", "--only", "ai-sdk"], NoNode("no node"), 0),
    ],
)
def test_a_client_that_is_missing_is_a_failure_unless_that_was_to_be_expected(
    arguments: list[str], error: Exception, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "install", refuse)
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["clients", "--keep", str(tmp_path), "--json", str(out), *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == status
    assert {each["trouble"] for each in json.loads(out.read_text()).values()} == {str(error)}


async def test_openai_s_own_client_can_do_all_of_it(tmp_path: Path) -> None:
    """The real gateway, the real client of this environment, its script and its example."""
    client = by_name["openai"]
    home(client, tmp_path).mkdir()
    with run_gateway(["openai"]) as served:
        tried = await try_client(client, [sys.executable], tmp_path, served)
        assert not served.unhandled()
    assert [each for each in tried if each.verdict is not Verdict.OK] == []
    assert [each.check for each in tried] == list(client.checks)
