"""How long does a newcomer take from `pip install` to a routed answer, and to the first page of the dashboard?

python -m benchmarks.newcomer --runs 3

Each run makes an empty virtual environment, installs this checkout into it, starts `bandit-gateway serve` with
simulated models, which need no provider's key, asks the router by the key that is printed, and opens the printed link.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import httpx

from tests.support.processes import CHECKOUT, RunFailed, running, wait_for_output

CONFIGURATION = """\
database_url = "sqlite:///{folder}/ledger.db"

[routers.rtr_default]
models = ["simulated/swift", "simulated/steady", "simulated/sage"]
"""


def measure(wheels: str | None) -> dict[str, float]:
    """One newcomer's seconds from the beginning of each step."""
    with tempfile.TemporaryDirectory(prefix="newcomer-") as name:
        folder, steps = Path(name), {}
        began = time.perf_counter()
        venv.create(folder / "venv", with_pip=True)
        steps["environment"] = time.perf_counter() - began
        python = folder / "venv" / "bin" / "python"
        options = [] if wheels is None else ["--find-links", wheels]
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *options, CHECKOUT], check=True
        )
        steps["installed"] = time.perf_counter() - began
        file, log = folder / "bandit-gateway.toml", folder / "serve.log"
        file.write_text(CONFIGURATION.format(folder=folder))
        command = [str(python.with_name("bandit-gateway")), "serve", "--port", "0", "--config", str(file)]
        with running(command, log) as process:
            key = wait_for_output(process, log, r"sk-bg-\S+")[0]
            link = wait_for_output(process, log, r"http://\S+/sign-in\?once=\S+")[0]
            steps["started"] = time.perf_counter() - began
            base = link.partition("/sign-in")[0]
            body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Say hello."}]}
            with httpx.Client(base_url=base, headers={"authorization": f"Bearer {key}"}, timeout=60.0) as client:
                client.post("/rtr_default/chat/completions", json=body).raise_for_status()
            steps["first_answer"] = time.perf_counter() - began
            with httpx.Client(base_url=base, follow_redirects=True, timeout=60.0) as visitor:
                page = visitor.get(link)
                if page.status_code != 200 or "<h1>" not in page.text:
                    raise RunFailed(f"the dashboard's first page: {page.status_code}")
            steps["first_page"] = time.perf_counter() - began
    return steps


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.newcomer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--wheels", metavar="FOLDER", help="where pip looks, too")
    options = parser.parse_args()
    found = [measure(options.wheels) for _ in range(options.runs)]
    told = {step: round(statistics.median(each[step] for each in found), 1) for step in found[0]}
    print(json.dumps({"runs": len(found), "python": sys.version.split()[0], "seconds_since_the_beginning": told}))


if __name__ == "__main__":
    main()
