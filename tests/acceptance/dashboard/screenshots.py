"""Looks at all of the dashboard in a browser, with simulated users: `make screenshots`, `make dashboard-check`.

Without an argument every page is opened in light, dark and at a phone's width, and what is wrong is printed; the status
is 1 then. With a folder, the pictures of the documentation are written there.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tests.acceptance.dashboard.history import lived_in_gateway
from tests.acceptance.dashboard.test_browser import PAGES
from tests.support.browser import DESKTOP, PHONE, Tab, chromium, tab
from tests.support.gateway import Running

DOCUMENTED = (1240, 860)
FONTS = """<fontconfig><include>/etc/fonts/fonts.conf</include>
<match target="pattern"><test name="family" qual="all" compare="not_contains"><string>ono</string></test>
<edit name="family" mode="assign" binding="strong"><string>Inter</string></edit></match>
</fontconfig>"""
"""For the pictures: as wide as the fonts of most people's systems, if Debian's fonts-inter is there."""
ANSWERED = '#answer[data-done="1"], #answer[data-done="1.0"]'

LOOKS = {"light": (False, DESKTOP), "dark": (True, DESKTOP), "phone": (False, PHONE), "dark phone": (True, PHONE)}


PICTURES = {
    "overview": "/",
    "router": "/routers/rtr_support",
    "decisions": "/routers/rtr_support/decisions",
    "settings": "/routers/rtr_support/settings",
    "health": "/health",
    "models": "/models",
    "evals": "/evals",
    "keys": "/keys",
    "changes": "/changes",
    "what-if": "/routers/rtr_support/what-if?quality_usd=0.003",
}
"""The documentation's pictures by the names of their files; a decision's comes to them."""


def check(gateway: Running, decision: str) -> int:
    """Open every page in every look, and print what is wrong; how many problems there are."""
    count = 0
    with chromium() as browser:
        for look, (dark, size) in LOOKS.items():
            with tab(browser, gateway.url, dark=dark, size=size) as opened:
                opened.sign_in(gateway.keys["admin"])
                for path in (*PAGES, decision):
                    problems = opened.problems(path)
                    count += len(problems)
                    print(f"{look:<10} {path:<60} {'; '.join(problems) or 'sound'}")
    return count


def write(gateway: Running, decision: str, folder: Path, only: Sequence[str]) -> None:
    """Write the pictures of the documentation: every page in light, in dark, and at a phone's width."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"decision": decision, **PICTURES}
    with chromium() as browser:
        for look, dark, size in (("light", False, DOCUMENTED), ("dark", True, DOCUMENTED), ("phone", False, PHONE)):
            with tab(browser, gateway.url, dark=dark, size=size) as opened:
                opened.sign_in(gateway.keys["admin"])
                for name in only or pages:
                    opened.go(pages[name])
                    if opened.page.locator("#live").count():
                        opened.page.wait_for_selector("#live:not([hidden])")
                    if opened.page.locator("#answer").count():  # all of it in the window: its bar keeps to the bottom
                        opened.page.set_viewport_size({"width": size[0], "height": 2_500 if look == "phone" else 1_700})
                        opened.page.wait_for_selector(ANSWERED, timeout=60_000)
                    _picture(opened, folder / f"{name}-{look}.png", size, is_long=name == "decisions")


def _picture(opened: Tab, path: Path, size: tuple[int, int], *, is_long: bool) -> None:
    """Write the page, the first window of a long one, with a palette: a third of the bytes, and no hue is lost."""
    width, height = size
    opened.page.set_viewport_size({"width": width, "height": height})
    if not is_long:
        whole = opened.page.evaluate("document.documentElement.scrollHeight")
        opened.page.set_viewport_size({"width": width, "height": whole})
    opened.page.screenshot(path=path)
    opened.page.set_viewport_size({"width": width, "height": height})
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(
            path, optimize=True
        )


def main() -> int:
    """Check the pages, or write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where the documentation's pictures are written")
    parser.add_argument("--only", nargs="*", default=[], help="names of pages; all by default")
    arguments = parser.parse_args()
    folder: Path | None = arguments.folder
    with lived_in_gateway() as (gateway, decision):
        if folder is None:
            return 1 if check(gateway, decision) else 0
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as fonts:
            fonts.write(FONTS)
            fonts.flush()
            os.environ["FONTCONFIG_FILE"] = fonts.name
            write(gateway, decision, folder, arguments.only)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
