"""Drives the dashboard in the system's Chromium, and finds what is wrong with a page as a person would see it."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = (1440, 900)
PHONE = (390, 844)


def is_there() -> bool:
    """Whether there is a browser to drive, and it runs."""
    if not Path(CHROMIUM).exists():
        return False
    return subprocess.run([CHROMIUM, "--version"], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium without a network of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A tab of a browser, with the errors that its pages have told."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a page of the gateway."""
        self.page.goto(f"{self.url}{path}")

    def sign_in(self, key: str) -> None:
        """Begin a session with an API key."""
        self.go("/sign-in")
        self.page.fill("#key", key)
        self.page.click("main button")
        self.page.wait_for_selector("nav[aria-label=Pages]")

    def problems(self, path: str, *, axe: bool = True) -> list[str]:
        """What is wrong with a page: console errors, sideways scroll, and what axe finds."""
        self.errors.clear()
        self.go(path)
        found = [*self.errors, *(self.axe() if axe else ())]
        return [*found, f"{self.sideways()} px too wide"] if self.sideways() else found

    def sideways(self) -> int:
        """By how many pixels the page is wider than its window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return max(wider, 0)

    def axe(self) -> list[str]:
        """What axe finds: rule, and the elements."""
        found = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {[node['html'][:160] for node in each['nodes']][:4]}" for each in found]


@contextlib.contextmanager
def tab(
    browser: Browser, url: str, *, dark: bool = False, size: tuple[int, int] = DESKTOP, scripts: bool = True
) -> Iterator[Tab]:
    """A tab with cookies of its own, that is, signed out."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    try:
        opened = Tab(context.new_page(), url)

        def told(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                opened.errors.append(message.text)

        opened.page.on("console", told)
        opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
        yield opened
    finally:
        context.close()
