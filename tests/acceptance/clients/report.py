"""Reports the outcomes: a table of checks and clients, failures, and JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bandit.types import Json
from tests.acceptance.clients.checks import Tried, Verdict
from tests.acceptance.clients.roster import CHECKS

_MARKS = {Verdict.OK: "[green]✓[/green]", Verdict.FAILED: "[red]✗[/red]", Verdict.CANNOT: "–"}


@dataclass(slots=True)
class Outcome:
    """One client: its version, its checks, and what prevented them. Times in seconds."""

    name: str
    version: str = ""
    install_seconds: float = 0.0
    check_seconds: float = 0.0
    tried: list[Tried] = field(default_factory=list)
    trouble: str = ""
    is_failure: bool = False

    @property
    def failures(self) -> list[Tried]:
        """The checks that failed."""
        return [tried for tried in self.tried if tried.verdict is Verdict.FAILED]


def show(console: Console, outcomes: Sequence[Outcome], details: bool) -> None:
    """Print the table and all failures; with `details` the result of every check."""
    table = Table("client", "version", "s", "checks", title="Real clients", title_justify="left")
    for outcome in outcomes:
        checks = "  ".join(f"{_MARKS[tried.verdict]} {tried.check}" for tried in outcome.tried)
        table.add_row(outcome.name, outcome.version, f"{outcome.check_seconds:.0f}", checks)
    console.print(table)
    for check, wants in CHECKS.items():
        console.print(f"[dim]{check}: {wants}[/dim]", highlight=False)
    for outcome in outcomes:
        if outcome.trouble:
            console.print(f"{outcome.name}: {escape(outcome.trouble)}", highlight=False)
        for tried in outcome.tried:
            if details or tried.verdict is not Verdict.OK:
                said = escape(f"{outcome.name}: {tried.check}: {tried.verdict}: {tried.detail}")
                console.print(f"{said}", highlight=False)


def as_json(outcomes: Sequence[Outcome]) -> Json:
    """Everything, by client."""
    return {outcome.name: {**asdict(outcome), "failures": len(outcome.failures)} for outcome in outcomes}


def has_failed(outcomes: Sequence[Outcome]) -> bool:
    """Whether anything failed that is not declared."""
    return any(outcome.is_failure or outcome.failures for outcome in outcomes)
