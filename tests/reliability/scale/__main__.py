"""A ledger of ten million requests: is an administrator answered within 100 ms, does a gateway start within 3 s?

Fills an empty ledger with requests of 90 days and seven routers (vacuumed and analysed on PostgreSQL, as autovacuum
does), asks each question with nothing in memory and then several times, calls every GET of the management API and every
page of a gateway on it, starts the gateway, and exports a router. With --keep the ledger stays for the next time.
Exit status 1 if a median is above 100 ms (of calls: the processor time of both servers, too) or the start takes longer
than 3 s; query plans of slow questions are shown.

With --routers N: how long N routers and --keys keys take to load (exit status 1 if longer than 3 s), and one change of
one of them: for whoever makes it, for the writer's thread, the loader's and the event loop.

With --load RATE: that many requests a second for --seconds, by --replicas writers on one PostgreSQL. With --aging: what
it costs on PostgreSQL to retire a month of the filled ledger, and to delete rows instead.
"""

import argparse
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import Progress

from storage.database.engine import open_database
from tests.reliability.scale.aging import let_go
from tests.reliability.scale.calls import Called, call_all
from tests.reliability.scale.changes import measure_changes
from tests.reliability.scale.fill import Span
from tests.reliability.scale.load import carry
from tests.reliability.scale.place import Place, filled, ledger_in, span_in
from tests.reliability.scale.questions import LIMIT_MS, TIMES, Answered, Questions, answer
from tests.reliability.scale.requests import WRITTEN
from tests.support.gateway import COMMAND_LINE, GatewayProcess
from tests.support.postgresql import PostgresqlServer
from tests.support.processes import RunFailed
from tests.support.traffic import MODELS

START_LIMIT_SECONDS = 3.0
STARTS = 5
PROVIDER = """
[providers.{provider}]
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
[models."{model}"]
input_usd_per_million = 1.0
output_usd_per_million = 4.0
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument(
        "--requests", type=int, default=10_000_000, help=f"a multiple of {WRITTEN:,}; default 10,000,000"
    )
    parser.add_argument("--routers", type=int, metavar="N", help="instead: load N routers, and change one of them")
    parser.add_argument("--keys", type=int, default=100_000, help="of --routers (default 100,000)")
    parser.add_argument("--load", type=float, nargs="+", metavar="RATE", help="instead: requests a second to record")
    parser.add_argument("--replicas", type=int, default=4, help="writers of --load (default 4)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each rate of --load (default 30)")
    parser.add_argument("--aging", action="store_true", help="instead of questions: retire a month, delete rows")
    parser.add_argument("--times", type=int, default=TIMES, help=f"each question after the first time ({TIMES})")
    parser.add_argument(
        "--exports", action="store_true", help="also export a router in every format, and tell the memory"
    )
    parser.add_argument("--folder", type=Path, help="for the files (default: a temporary one, which is deleted)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="of a ledger that stays, and is filled once")
    parser.add_argument("--calls", action="store_true", help="only the calls of the API and the pages")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the report as JSON")
    options = parser.parse_args(arguments)
    if options.requests <= 0 or options.requests % WRITTEN:
        parser.error(f"--requests must be a multiple of {WRITTEN:,}, not {options.requests:,}")
    return options


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The report."""
    if options.load:
        return _carried(options, console)
    with _folder(options) as folder, ledger_in(folder, options.database) as place:
        if options.routers:
            with console.status("") as status:
                measured = measure_changes(place.url, options.routers, options.keys, folder, status.update)
            return {"database": options.database, **measured}
        before = time.monotonic()
        span = span_in(folder)
        database = open_database(place.url)
        empty = place.size()
        if span is None:
            with Progress(console=console) as progress:
                task = progress.add_task(f"filling {options.database}", total=options.requests)
                span = filled(
                    database,
                    folder,
                    options.requests,
                    options.seed,
                    lambda done: progress.update(task, completed=done),
                )
        if options.aging:
            with console.status("") as status:
                return {"requests": span.count, **let_go(database, status.update)}
        database.close()
        filled_seconds, size = time.monotonic() - before, place.size()
        asked = [] if options.calls else _asked(place, span, options, console)
        called = _called(place, folder, span, options, console)
        start = {} if options.calls else _start(place, folder)
        console.print(f"start: {start}")
        exports = _exports(place, folder) if options.exports else {}
        return {
            "database": options.database,
            "requests": span.count,
            "filled_seconds": round(filled_seconds),
            "bytes": size,
            "kilobytes_per_1000_requests": round((size - empty) / span.count),
            "questions": [asdict(each) for each in asked],
            "calls": [asdict(each) for each in called],
            "slow": [
                *(each.name for each in asked if each.median_ms > each.limit_ms),
                *(each.name for each in called if each.server_ms > LIMIT_MS),
            ],
            **start,
            "exports": exports,
        }


@contextmanager
def _folder(options: argparse.Namespace) -> Iterator[Path]:
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        yield options.keep
        return
    with tempfile.TemporaryDirectory(prefix="scale-", dir=options.folder) as name:
        yield Path(name)


def _asked(place: Place, span: Span, options: argparse.Namespace, console: Console) -> list[Answered]:
    questions = Questions(span, options.seed)
    asked = []
    for limit_ms, wanted in ((LIMIT_MS, questions.admin()), (float("inf"), questions.long())):
        for asking, question in wanted.items():
            with console.status(asking):
                asked.append(answer(place.url, asking, question, place.forget, options.times, limit_ms))
            _show(console, asked[-1])
    return asked


def _called(place: Place, folder: Path, span: Span, options: argparse.Namespace, console: Console) -> list[Called]:
    called = []
    with GatewayProcess(folder, _configuration(place)) as gateway:
        for each in call_all(gateway, span, options.seed, options.times, place.cpu_seconds):
            called.append(each)
            console.print(
                f"{each.name:50} first {each.first_ms:8.1f} ms   median {each.median_ms:8.1f} ms   CPU "
                f"{each.gateway_cpu_ms:7.1f} ms and {each.database_cpu_ms:7.1f} ms   {each.kilobytes:,} kB",
                highlight=False,
            )
    return called


def _carried(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    with PostgresqlServer() as server, console.status("") as status:
        rates = [
            carry(server.url(), server.data, rate, options.replicas, options.seconds, status.update)
            for rate in options.load
        ]
    return {"cores": psutil.cpu_count(), "other_load": psutil.getloadavg()[0], "rates": rates}


def _start(place: Place, folder: Path) -> dict[str, Any]:
    """Seconds until a gateway on this ledger is ready, and of a page of decisions: the best of some starts.

    The best, because a busy machine only adds; at the first one nothing of the ledger is in memory.
    """
    configuration = _configuration(place)
    seconds, cpu_seconds, page_ms = [], [], []
    place.forget()
    for _ in range(STARTS):
        began = time.monotonic()
        with GatewayProcess(folder, configuration) as gateway, gateway.client() as client:
            seconds.append(time.monotonic() - began)
            times = psutil.Process(gateway.pid).cpu_times()
            cpu_seconds.append(times.user + times.system)
            for _ in range(TIMES):
                before = time.monotonic()
                client.get("/admin/decisions?router_id=rtr_large&limit=50").raise_for_status()
                page_ms.append((time.monotonic() - before) * 1e3)
    return {
        "start_seconds": round(min(seconds), 2),
        "start_first_seconds": round(seconds[0], 2),
        "start_cpu_seconds": round(min(cpu_seconds), 2),
        "admin_page_first_ms": round(page_ms[0], 1),
        "admin_page_median_ms": round(sorted(page_ms)[len(page_ms) // 2], 1),
    }


def _configuration(place: Place) -> str:
    configuration = f'database_url = "{place.url}"\n'
    return configuration + "".join(PROVIDER.format(provider=each.partition("/")[0], model=each) for each in MODELS)


def _exports(place: Place, folder: Path) -> dict[str, Any]:
    """Seconds, bytes and maximum resident memory of exporting a small router and the largest one."""
    found = {}
    for router_id in ("rtr_d", "rtr_large"):
        for form in ("csv", "jsonl", "parquet"):
            out = folder / f"export.{form}"
            command = [sys.executable, *COMMAND_LINE, "export", "--router", router_id, "--format", form]
            command += ["--output", str(out), "--database-url", place.url]
            began = time.monotonic()
            resident = 0
            with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                while process.poll() is None:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        resident = max(resident, psutil.Process(process.pid).memory_info().rss)
                    time.sleep(0.05)
            if process.returncode:
                raise RunFailed(f"{' '.join(command)} ended with status {process.returncode}")
            found[f"{router_id} {form}"] = {
                "seconds": round(time.monotonic() - began, 1),
                "bytes": out.stat().st_size,
                "resident_megabytes": round(resident / 1e6),
            }
            out.unlink(missing_ok=True)
    return found


def _show(console: Console, asked: Answered) -> None:
    console.print(
        f"{asked.name:46} cold {asked.cold_ms:8.1f} ms   median {asked.median_ms:8.2f} ms   "
        f"longest {asked.longest_ms:8.2f} ms",
        highlight=False,
    )
    for plan in asked.plans:
        console.print(plan, markup=False, highlight=False)


def main() -> None:
    """Run it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that child processes are ended too
    options = parse()
    if (
        options.folder is None
        and options.keep is None
        and not options.routers
        and not options.load
        and shutil.disk_usage(tempfile.gettempdir()).free < 4_000 * options.requests
    ):
        sys.exit(f"there is too little room in {tempfile.gettempdir()}: name another place with --folder")
    report = run(options, Console(stderr=True, width=140))
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    if options.load or options.aging:
        return
    if options.routers:
        sys.exit(report["load_seconds"] > START_LIMIT_SECONDS)
    if report["slow"] or report.get("start_seconds", 0.0) > START_LIMIT_SECONDS:
        sys.exit(1)


if __name__ == "__main__":
    main()
