"""Runs a client's script and its example in the docs against the gateway, and reads the checks' results."""

import asyncio
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.acceptance.clients.environments import SCRIPTS, home, program
from tests.acceptance.clients.gateway import ROUTER, Served, cut_router
from tests.acceptance.clients.roster import Client

PAGE = Path(__file__).parents[3] / "docs" / "clients.md"
PAGE_URL = "http://127.0.0.1:8790/rtr_default"
SECONDS = 120.0
_PASSED_ON = ("PATH", "HOME", "LANG", "SYSTEMROOT", "TEMP", "TMPDIR")


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    CANNOT = "cannot"


@dataclass(frozen=True, slots=True)
class Tried:
    """One check of one client: what the user saw, or what was wrong."""

    check: str
    verdict: Verdict
    detail: str


async def try_client(client: Client, command: Sequence[str], folder: Path, served: Served) -> list[Tried]:
    """All checks of one client, in their order."""
    environ = _environ(client, served)
    status, said, log = await _run([*command, str(program(client, folder))], environ)
    told = read_lines(said)
    if "page" in client.checks:
        told["page"] = await _try_page(client, command, folder, served, environ)
    otherwise = f"not reported; exit status {status}: {log}"
    return [judge(client, check, told.get(check), otherwise) for check in client.checks]


def judge(client: Client, check: str, told: tuple[bool, str] | None, otherwise: str) -> Tried:
    """The verdict on a check that a script reported as (held, detail), unless the client is known not to be able to."""
    held, detail = told or (False, otherwise)
    if told and check in client.cannot:
        reason = client.cannot[check]
        return Tried(check, Verdict.CANNOT, f"declared, but it works now: {detail}" if held else reason)
    return Tried(check, Verdict.OK if held else Verdict.FAILED, detail)


def read_lines(said: str) -> dict[str, tuple[bool, str]]:
    """Check → (held, detail), from the JSON lines among a script's output."""
    told = {}
    for line in said.splitlines():
        try:
            value = json.loads(line)
            told[value["check"]] = (value["ok"] is True, str(value["detail"]))
        except (ValueError, TypeError, KeyError):
            continue  # a client's own chatter
    return told


def example(page: str, name: str) -> str | None:
    """The code under the client's heading, which names it in backquotes; None if there is none."""
    found = re.search(
        rf"^## [^\n]*\(`{re.escape(name)}`\)\n(?:(?!^## ).)*?^```\w+\n(.*?)^```", page, re.DOTALL | re.MULTILINE
    )
    return found[1] if found else None


async def _try_page(
    client: Client, command: Sequence[str], folder: Path, served: Served, environ: Mapping[str, str]
) -> tuple[bool, str]:
    code = example(PAGE.read_text("utf-8"), client.name)
    if code is None or PAGE_URL not in code:
        return False, f"{PAGE.name} has no example of it with {PAGE_URL}"
    path = home(client, folder) / f"page_{Path(client.script).name}"
    path.write_text(code.replace(PAGE_URL, f"{served.url}/{ROUTER}"), "utf-8")
    status, said, log = await _run([*command, str(path)], environ)
    return (status == 0 and bool(said.strip())), said.strip()[-300:] if status == 0 else log


def _environ(client: Client, served: Served) -> dict[str, str]:
    """Without the caller's provider keys and proxies: clients must reach this gateway only."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **passed_on,
        "BANDIT_GATEWAY_URL": served.url,
        "BANDIT_GATEWAY_KEY": served.key,
        "BANDIT_GATEWAY_ADMIN_KEY": served.admin_key,
        "BANDIT_GATEWAY_ROUTER": ROUTER,
        "BANDIT_GATEWAY_CUT_ROUTER": cut_router(client.name),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would fetch prices when it is imported
    }


async def _run(command: Sequence[str], environ: Mapping[str, str]) -> tuple[int | None, str, str]:
    """Exit status, stdout, and the end of stderr."""
    process = await asyncio.create_subprocess_exec(
        *command, env=environ, cwd=SCRIPTS, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        said, log = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None, "", f"it took more than {SECONDS:.0f} s"
    return process.returncode, said.decode(errors="replace"), log.decode(errors="replace").strip()[-800:]
