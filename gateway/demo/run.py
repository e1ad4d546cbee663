"""Runs the demo from start to end on the terminal."""

import asyncio
import contextlib
import sys
from functools import partial

from rich.console import Console
from rich.live import Live

from gateway.demo.gateway import (
    FAILURE_USD,
    LEARNER,
    QUALITY_USD,
    RANDOM,
    SECOND_USD,
    DemoGateway,
    fixed_router,
    run_gateway,
)
from gateway.demo.prompts import questions
from gateway.demo.tables import RECENT, Summary, comparison_table, summary_of, traffic_table
from gateway.demo.users import Served, ask_all
from gateway.settings.presets import SIMULATED_MODELS

SEED = 20_261_122
NEXT = (
    "set [bold]OPENAI_API_KEY[/bold], [bold]ANTHROPIC_API_KEY[/bold] or another provider's key, and run "
    "[bold cyan]bandit-gateway serve[/bold cyan]: it prints the first request, and a link to its dashboard."
)
COMPARED = 100
"""How many of the same questions each fixed model and the random choice are asked."""


def run(requests: int) -> None:
    """Start a gateway, ask and score, then compare with each fixed model. Raises DemoError."""
    console = Console(highlight=False)
    console.print("Starting a gateway with simulated models, on a database of its own…")
    with run_gateway() as gateway:
        console.print(f"It answers on [bold]{gateway.url}[/bold]")
        if gateway.sign_in:
            console.print(f"Watch it in the browser: [bold cyan]{gateway.sign_in}[/bold cyan]", soft_wrap=True)
        console.print(f"Simulated users ask {requests} questions, wait, and score the answers. To them a perfect")
        console.print(f"answer is worth ${QUALITY_USD}, a second of waiting ${SECOND_USD}, a failure ${FAILURE_USD}.\n")
        asyncio.run(_ask_and_compare(gateway, requests, console))
        if console.is_terminal and sys.stdin.isatty():
            with contextlib.suppress(EOFError, KeyboardInterrupt):
                console.input("\nThe dashboard goes on until you press Enter. ")


async def _ask_and_compare(gateway: DemoGateway, requests: int, console: Console) -> None:
    asked = questions(requests, SEED)
    learned: list[Served] = []
    with Live(traffic_table(learned, requests), console=console, refresh_per_second=4) as live:

        def served(each: Served) -> None:
            learned.append(each)
            live.update(traffic_table(learned, requests))

        await ask_all(gateway, LEARNER, asked, seed=SEED, scored=True, served=served)
    rows: list[tuple[str, Summary]] = [
        ("router, learning", summary_of(learned)),
        (f"router, its last {min(RECENT, requests)}", summary_of(learned[-RECENT:])),
    ]
    others = {f"always {model}": fixed_router(model) for model in SIMULATED_MODELS} | {"at random": RANDOM}
    with console.status("The same questions to each model alone, and at random…"):
        for name, router_id in others.items():
            fixed: list[Served] = []
            ask = partial(ask_all, gateway, router_id, asked[:COMPARED], seed=SEED, scored=False)
            await ask(served=fixed.append)
            rows.append((name, summary_of(fixed)))
    console.print()
    console.print(comparison_table(rows))
    console.print("The models are simulated, their prices, speeds and qualities made up; the router is real.")
    console.print(f"Next: {NEXT}", soft_wrap=True)
