"""Real models behind the real gateway, asked by the real client, scored by a rule: does the router learn?

Takes two or more OpenAI-compatible servers that are already running. It does not run in CI: it needs models. With
llama.cpp and one small model at two precisions, for example:

  llama-quantize --allow-requantize SmolLM2-135M-Instruct.Q4_1.gguf small-q2.gguf Q2_K
  llama-server -m SmolLM2-135M-Instruct.Q4_1.gguf --port 8191 -c 2048 -np 1 &
  llama-server -m small-q2.gguf                   --port 8192 -c 2048 -np 1 &
  python -m benchmarks.real_models \\
      --server q4 http://127.0.0.1:8191/v1 0.10 0.40  --server q2 http://127.0.0.1:8192/v1 0.05 0.20

Each --server is NAME, base URL, and dollars per million input and output tokens: made-up prices for models of one's
own. It starts `bandit-gateway serve` with one router over all of them and a new database, asks the questions of
benchmarks/real_models/questions.py one after the other (sums, facts, JSON; a rule judges), sends each score to POST
/feedback, and prints who got the traffic and how good, fast and expensive the answers were: before learning, after,
and for each model alone on the same questions.

With --evidence everything is asked twice, in the same order: through a gateway without evidence, and through one that
was told before by `evals run`, of the prompts that are shipped and of other questions of the same kinds. --judge is a
server that scores a share of the answers, too.

With --params NAME={TOML table}, each model is an entry with a variant of each name (docs/variants.md).
"""

import argparse
import json
import statistics
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.real_models.asking import Asked, Gateway, Server, ask_alone, own_settings
from benchmarks.real_models.evidence import run_eval, write_eval
from benchmarks.real_models.questions import Question, questions
from tests.support.gateway import GatewayProcess

ROUTER = "rtr_real"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real_models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--server",
        nargs=4,
        action="append",
        required=True,
        metavar=("NAME", "URL", "INPUT_USD", "OUTPUT_USD"),
        help="a running server and its price per million tokens; give at least two",
    )
    parser.add_argument("--params", action="append", default=[], metavar="NAME=TABLE", help="a variant of each model")
    parser.add_argument("--count", type=int, default=200, help="questions (default 200)")
    parser.add_argument("--window", type=int, default=50, help="questions of `before` and of `after` (default 50)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the questions (default 1)")
    parser.add_argument("--objective", default="balanced", help="preset or TOML table (default balanced)")
    parser.add_argument("--send-task", action="store_true", help="send metadata.task; else the gateway classifies")
    parser.add_argument("--evidence", type=int, metavar="N", help="ask again, with an eval of N other questions before")
    parser.add_argument("--state", type=Path, metavar="FOLDER", help="where the answers to evals are kept")
    parser.add_argument("--judge", nargs=4, metavar=("NAME", "URL", "INPUT_USD", "OUTPUT_USD"), help="judges answers")
    parser.add_argument("--judge-share", type=float, default=0.1, help="of the answers (default 0.1)")
    parser.add_argument("--skip-alone", action="store_true", help="do not ask each model alone")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every answer as JSON")
    options = parser.parse_args(arguments)
    if len(options.server) < 2:
        parser.error("there is nothing to choose: give --server at least twice")
    if unnamed := [each for each in options.params if "={" not in each]:
        parser.error(f"--params is like short='{{max_tokens=8}}', not {unnamed[0]!r}")
    options.params = dict(each.split("=", 1) for each in options.params)
    return options


def configuration(
    servers: Sequence[Server],
    directory: Path,
    objective: str,
    judge: Server | None = None,
    judge_share: float = 0.0,
    params: Mapping[str, str] | None = None,
) -> str:
    """The gateway's TOML file: a provider and a model for each server, all but the judge's in one router.

    `params` maps the name of a variant of each model to its parameters, a TOML table.
    """
    parts = [f'database_url = "sqlite:///{directory}/ledger.db"\n']
    for server in [*servers, *([judge] if judge else [])]:
        parts.append(f'[providers.{server.name}]\nkind = "openai"\nbase_url = "{server.url}"\n')
        parts.append(
            f'[models."{server.model_id}"]\ninput_usd_per_million = {server.input_usd}\n'
            f"output_usd_per_million = {server.output_usd}\ncontext_window = 2048\n"
            f"abilities = {['json_schema'] if server is judge else []}\n"
        )
    listed = ", ".join(
        f'{{ id = "{server.model_id}", params = {params[name]}, as = "{name}" }}' if params else f'"{server.model_id}"'
        for server in servers
        for name in params or [""]
    )
    shown = objective if objective.startswith("{") else f'"{objective}"'
    parts.append(f'[routers.{ROUTER}]\nname = "Real models"\nmodels = [{listed}]\nobjective = {shown}\n')
    if judge:
        parts.append(f'[routers.{ROUTER}.judge]\nmodel = "{judge.model_id}"\nshare = {judge_share}\n')
    return "\n".join(parts)


@contextmanager
def gateway(servers: list[Server], options: argparse.Namespace, told: Sequence[Question] = ()) -> Iterator[Gateway]:
    """The real gateway, running on these servers; told of the shipped prompts and these questions if there are some."""
    with tempfile.TemporaryDirectory(prefix="real-models-") as name:
        folder = Path(name)
        judge = _judge(options)
        written = configuration(servers, folder, options.objective, judge, options.judge_share, options.params)
        with GatewayProcess(folder, written) as process:
            if told:
                state = options.state or folder
                write_eval(told, folder / "others.jsonl", with_task=options.send_task)
                for each in ("starter", str(folder / "others.jsonl")):
                    print(run_eval(each, folder / "bandit-gateway.toml", ROUTER, state))
            variants = bool(options.params)
            yield Gateway(process.url, ROUTER, process.key, servers, send_task=options.send_task, variants=variants)


def _judge(options: argparse.Namespace) -> Server | None:
    return _server(options.judge) if options.judge else None


def _server(stated: Sequence[str]) -> Server:
    name, url, input_usd, output_usd = stated
    return Server(name, url.rstrip("/"), float(input_usd), float(output_usd))


def arms(servers: Sequence[Server], params: Mapping[str, str]) -> dict[str, tuple[Server, dict[str, object] | None]]:
    """Each arm's server, and the settings of its own if it is a variant."""
    if not params:
        return {server.model_id: (server, None) for server in servers}
    return {
        f"{server.model_id}@{name}": (server, tomllib.loads(f"params = {stated}")["params"])
        for server in servers
        for name, stated in params.items()
    }


def _shown(arm_id: str) -> str:
    return arm_id.split("/", 1)[1]


def table(title: str, routed: list[Asked], alone: dict[str, list[Asked]], arm_ids: Sequence[str], window: int) -> Table:
    """Traffic, quality, seconds and cost: before, after, overall, and of each arm alone."""
    shown = Table(title=f"{len(routed)} questions{title}", title_justify="left")
    for column in ("who answered", "questions", "share", "mean score", "mean seconds", "$ per 1,000"):
        shown.add_column(column, justify="left" if column == "who answered" else "right")
    parts = [(f"first {window}", routed[:window]), (f"last {window}", routed[-window:]), ("all", routed)]
    for name, part in parts:
        for arm_id in arm_ids:
            own = [asked for asked in part if asked.arm_id == arm_id]
            shown.add_row(f"{name}: {_shown(arm_id)}", str(len(own)), f"{len(own) / len(part):.0%}", *_means(own))
        shown.add_row(f"[bold]{name}: router[/bold]", str(len(part)), "", *_means(part), end_section=True)
    for arm_id, asked in alone.items():
        shown.add_row(f"alone: {_shown(arm_id)}", str(len(asked)), "", *_means(asked))
        last = asked[-window:]
        shown.add_row(f"alone, last {window}: {_shown(arm_id)}", str(len(last)), "", *_means(last))
    return shown


def _means(asked: Sequence[Asked]) -> tuple[str, str, str]:
    if not asked:
        return "–", "–", "–"
    return (
        f"{statistics.fmean(each.score for each in asked):.3f}",
        f"{statistics.fmean(each.seconds for each in asked):.2f}",
        f"{1e3 * statistics.fmean(each.cost_usd for each in asked):.4f}",
    )


def by_kind(routed: list[Asked], alone: dict[str, list[Asked]], asked_for: list[Question]) -> Table:
    """Mean score per kind of question."""
    shown = Table(title="Mean score by kind of question", title_justify="left")
    kinds = sorted({question.kind for question in asked_for})
    for column in ("who", *kinds):
        shown.add_column(column)
    for name, answers in {"router": routed, **alone}.items():
        cells = []
        for kind in kinds:
            scores = [each.score for each, question in zip(answers, asked_for, strict=True) if question.kind == kind]
            cells.append(f"{statistics.fmean(scores):.3f} of {len(scores)}")
        shown.add_row(name, *cells)
    return shown


def arms_by_kind(routed: list[Asked], asked_for: list[Question], arm_ids: Sequence[str]) -> Table:
    """Each arm's share of each kind of question in the second half, and its mean score of all: what was learned."""
    shown = Table(title="By kind of question: share of the second half, mean score of all", title_justify="left")
    kinds = sorted({question.kind for question in asked_for})
    answered = list(zip(routed, asked_for, strict=True))
    for column in ("who", *kinds):
        shown.add_column(column)
    for arm_id in arm_ids:
        cells = []
        for kind in kinds:
            late = [asked for asked, question in answered[len(answered) // 2 :] if question.kind == kind]
            own = [asked for asked, question in answered if question.kind == kind and asked.arm_id == arm_id]
            part = sum(asked.arm_id == arm_id for asked in late) / max(len(late), 1)
            cells.append(f"{part:.0%}, {_means(own)[0]} of {len(own)}")
        shown.add_row(_shown(arm_id), *cells)
    return shown


def blocks(routed: list[Asked], arm_ids: Sequence[str], size: int) -> str:
    """Each arm's share of the traffic, block by block: how soon the router learned."""
    lines = []
    for arm_id in arm_ids:
        parts = [routed[start : start + size] for start in range(0, len(routed), size)]
        shares = [sum(asked.arm_id == arm_id for asked in part) / len(part) for part in parts]
        lines.append(
            f"Share of {_shown(arm_id)}, {size} questions at a time: " + " ".join(f"{each:.0%}" for each in shares)
        )
    return "\n".join(lines)


def main() -> None:
    """Ask everything, and print the tables."""
    options = parse()
    console = Console(width=None if sys.stdout.isatty() else 110)
    servers = [_server(stated) for stated in options.server]
    arms_of_router = arms(servers, options.params)
    arm_ids = list(arms_of_router)
    others, asked_for = _drawn(options)
    runs: dict[str, list[Asked]] = {}
    for title, told in {"": [], **({", with evidence": others} if others else {})}.items():
        with gateway(servers, options, told) as router:
            runs[title] = [router.ask(each) for each in track(asked_for, f"routed{title}", console=console)]
            console.print(f"{router.replayed(runs[title])} of {len(asked_for)} decisions replay identically")
            if options.judge:
                console.print(f"judge{title}: {router.judged()}")
    alone: dict[str, list[Asked]] = {}
    for arm_id, (server, params) in () if options.skip_alone else arms_of_router.items():
        alone[arm_id] = [
            ask_alone(server, each, arm_id, params or own_settings(each))
            for each in track(asked_for, f"{_shown(arm_id)} alone", console=console)
        ]
    for title, routed in runs.items():
        console.print(table(title, routed, alone, arm_ids, options.window))
        console.print(by_kind(routed, alone, asked_for))
        console.print(arms_by_kind(routed, asked_for, arm_ids))
        console.print(blocks(routed, arm_ids, max(options.window // 2, 1)))
        console.print(f"The last reason: {routed[-1].reason}")
    if options.json:
        answers = {**{f"router{title}": routed for title, routed in runs.items()}, **alone}
        report = {name: [asdict(each) for each in asked] for name, asked in answers.items()}
        report["questions"] = [asdict(each) for each in asked_for]
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def _drawn(options: argparse.Namespace) -> tuple[list[Question], list[Question]]:
    """The questions that the gateway is told of before, and those that are asked: none twice."""
    drawn = questions(options.count + (options.evidence or 0), options.seed)
    return drawn[options.count :], drawn[: options.count]


if __name__ == "__main__":
    main()
