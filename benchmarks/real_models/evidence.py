"""Questions as prompts of `evals run`, whose graders give what the rule of `judge` gives, and running it."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.real_models.questions import Kind, Question
from tests.support.gateway import run_command

MAX_TOKENS = 160
"""Room to end an answer: one that is cut off is not graded."""


def write_eval(asked: Sequence[Question], path: Path, *, with_task: bool) -> None:
    """Write the questions as a file for `evals run`."""
    path.write_text("".join(json.dumps(_prompt(n, each, with_task)) + "\n" for n, each in enumerate(asked)))


def run_eval(eval_file: str, config: Path, router_id: str, state: Path) -> str:
    """Ask all models of a router a file's prompts, or `starter`; the table. Raises RunFailed.

    `state` is a folder where answers are kept, so that they are asked for once.
    """
    journal = state / f"{Path(eval_file).stem}.run"
    arguments = ("--router", router_id, "--yes", "--state", str(journal), "--concurrency", "2", "--config", str(config))
    return run_command("evals", "run", eval_file, *arguments, "--timeout", "600")


def _prompt(number: int, question: Question, with_task: bool) -> dict[str, object]:
    task = {"task": question.kind.value} if with_task else {}
    prompt = {"prompt_id": f"q{number}", "prompt": question.prompt, "max_tokens": MAX_TOKENS, "temperature": 0}
    return prompt | task | {"grader": _graders(question)}


def _graders(question: Question) -> list[dict[str, object]]:
    """Two of which each gives half: the answer is right, and it is nothing else."""
    match question.kind:
        case Kind.JSON:
            return [
                {"type": "json_schema", "schema": {"type": "object"}},
                {"type": "json_schema", "schema": {"const": json.loads(question.right)}},
            ]
        case Kind.SUM:
            return [
                {"type": "number", "expected": int(question.right)},
                {"type": "exact", "expected": question.right},
            ]
        case Kind.FACT:
            return [
                {"type": "contains", "expected": question.right},
                {"type": "exact", "expected": question.right},
            ]
