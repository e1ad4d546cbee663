"""Looks at all of the dashboard in a browser, with simulated users: `make screenshots`, `make dashboard-check`.

Without an argument every page is opened in light, dark and at a phone's width, and what is wrong is printed; the status
is 1 then. With a folder, the pictures of the documentation are written there.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.gateway import DemoGateway
from gateway.demo.prompts import questions
from gateway.demo.users import ask_all
from tests.acceptance.dashboard.conftest import CONFIGURATION
from tests.acceptance.dashboard.test_browser import PAGES
from tests.support.browser import DESKTOP, PHONE, chromium, tab
from tests.support.gateway import GatewayProcess

REQUESTS = 400
SEED = 20_261_126
DOCUMENTED = (1240, 860)

LOOKS = {"light": (False, DESKTOP), "dark": (True, DESKTOP), "phone": (False, PHONE), "dark phone": (True, PHONE)}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the documentation: its name, its page, and whether it is dark or a phone's."""

    name: str
    path: str
    dark: bool = False
    size: tuple[int, int] = DOCUMENTED


@contextmanager
def busy_gateway() -> Iterator[tuple[GatewayProcess, str]]:
    """A gateway that simulated users have asked, and the path of its latest request."""
    text = f'listen = "127.0.0.1:0"\n{CONFIGURATION}'
    with (
        tempfile.TemporaryDirectory(prefix="dashboard-") as folder,
        GatewayProcess(Path(folder), text) as gateway,
        gateway.client() as client,
    ):
        asked = questions(REQUESTS, SEED)
        demo = DemoGateway(gateway.url, gateway.key)
        asyncio.run(ask_all(demo, "rtr_support", asked, seed=SEED, scored=True, served=lambda _: None))
        latest = client.get("/admin/decisions", params={"router_id": "rtr_support", "limit": 1}).json()
        yield gateway, f"/decisions/{latest['data'][0]['id']}"


def check(gateway: GatewayProcess, decision: str) -> int:
    """Open every page in every look, and print what is wrong; how many problems there are."""
    count = 0
    with chromium() as browser:
        for look, (dark, size) in LOOKS.items():
            with tab(browser, gateway.url, dark=dark, size=size) as opened:
                opened.sign_in(gateway.key)
                for path in (*PAGES, decision):
                    problems = opened.problems(path)
                    count += len(problems)
                    print(f"{look:<10} {path:<60} {'; '.join(problems) or 'sound'}")
    return count


def write(gateway: GatewayProcess, decision: str, folder: Path) -> None:
    """Write the pictures of the documentation."""
    pictures = (
        Picture("router-light", "/routers/rtr_support"),
        Picture("router-dark", "/routers/rtr_support", dark=True),
        Picture("decision-light", decision),
        Picture("decision-dark", decision, dark=True),
        Picture("decision-phone", decision, size=PHONE),
        Picture("keys-light", "/keys"),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for each in pictures:
            with tab(browser, gateway.url, dark=each.dark, size=each.size) as opened:
                opened.sign_in(gateway.key)
                opened.go(each.path)
                opened.page.wait_for_selector("#live:not([hidden])")
                opened.page.screenshot(path=folder / f"{each.name}.png", full_page=True)


def main() -> int:
    """Check the pages, or write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where the documentation's pictures are written")
    folder = parser.parse_args().folder
    with busy_gateway() as (gateway, decision):
        if folder is None:
            return 1 if check(gateway, decision) else 0
        write(gateway, decision, folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
