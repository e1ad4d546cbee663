"""Reads the prompts of an eval: a JSON object per line, and every wrong line is named before anything is paid."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

import msgspec

from gateway.completions.json_object import parse_json_object
from gateway.completions.request import REQUESTED_MODEL, CompletionRequest, parse_completion
from gateway.completions.routing_fields import TASK_LIMIT
from gateway.errors import BadRequest
from gateway.evals.graders import AnyGrader, Judged, read_grader
from gateway.evidence.problems import Problems
from gateway.evidence.reading import lines_of
from gateway.settings.table_reader import Fields, Problem
from gateway.tasks.classifier import classify
from storage.rows import clean

STARTER = "starter"
"""The name of the set that is shipped."""
MOST_PROMPTS = 10_000
LONGEST_LINE = 4 * 2**20
MOST_BYTES = 64 * 2**20
LONGEST_ID = 200
DEFAULT_MAX_TOKENS = 1_024
"""Enough for models that think before a short answer."""
MOST_TOKENS = 100_000

_SHIPPED = Path(__file__).parent / "data" / f"{STARTER}.jsonl"
_PASSED_ON = (
    *("temperature", "top_p", "stop", "seed", "response_format", "tools", "tool_choice", "parallel_tool_calls"),
    "reasoning_effort",
)
_NULL = b"null"
Raws: TypeAlias = Mapping[str, msgspec.Raw]


class PromptsError(ValueError):
    """The prompts can't be used; `problems` names the wrong lines, up to 20."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class EvalPrompt:
    """One prompt. `graders` score an answer together, by their mean; `reference` is an answer that deserves a 1."""

    prompt_id: str
    task: str
    request: CompletionRequest
    max_tokens: int
    graders: tuple[AnyGrader, ...]
    reference: str | None = None

    @property
    def needs_judge(self) -> bool:
        """Whether a judge has to score the answer."""
        return any(isinstance(grader, Judged) for grader in self.graders)

    @property
    def rubrics(self) -> tuple[str, ...]:
        """What a judge scores by."""
        return tuple(grader.rubric for grader in self.graders if isinstance(grader, Judged))

    def scores(self, text: str) -> list[float | None]:
        """The scores of the graders that ask nobody; None: it can't grade this text."""
        return [grader.grade(text) for grader in self.graders if not isinstance(grader, Judged)]


def read_file(path: Path) -> tuple[EvalPrompt, ...]:
    """The prompts of a file. Raises PromptsError, and OSError."""
    with path.open("rb") as lines:
        return read_prompts(lines_of(lines, LONGEST_LINE), str(path))


def read_starter() -> tuple[EvalPrompt, ...]:
    """The prompts that are shipped: some of each built-in task class, gradable without a judge."""
    return read_file(_SHIPPED)


def read_prompts(lines: Iterable[bytes], name: str) -> tuple[EvalPrompt, ...]:
    """Read and check all lines. Raises PromptsError."""
    prompts: dict[str, EvalPrompt] = {}
    places: dict[str, int] = {}
    problems = Problems(f"{name}:")
    size = filled = 0
    for number, line in enumerate(lines, 1):
        size += len(line)
        body = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        filled += bool(body.strip())
        if size > MOST_BYTES or filled > MOST_PROMPTS:
            most = f"{MOST_PROMPTS:,} prompts and {MOST_BYTES // 2**20} MB"
            raise PromptsError([*problems.told(), f"{name}:{number}: an eval has at most {most}; split the file"])
        if not body.strip():
            continue
        prompt, wrong = _read_line(body.strip())
        for each in wrong:
            problems.add(number, each)
        if prompt is None:
            continue
        if prompt.prompt_id in places:
            problems.add(number, f"`prompt_id` is that of line {places[prompt.prompt_id]}")
        places.setdefault(prompt.prompt_id, number)
        prompts[prompt.prompt_id] = prompt
    if problems:
        raise PromptsError(problems.told())
    if not prompts:
        raise PromptsError([f"{name}: there are no prompts in it"])
    # A run that stops at its limit has asked a random part of each task, whatever the order of the file.
    return tuple(sorted(prompts.values(), key=lambda prompt: hashlib.blake2b(prompt.prompt_id.encode()).digest()))


def _read_line(line: bytes) -> tuple[EvalPrompt | None, list[str]]:
    """The prompt of a line, or what is wrong with it."""
    if len(line) > LONGEST_LINE:
        return None, [f"has {len(line):,} bytes; at most {LONGEST_LINE:,} are taken"]
    try:
        raws = parse_json_object(line)
        values = {key: msgspec.json.decode(raw) for key, raw in raws.items()}
    except BadRequest as error:
        return None, [error.message.replace("the body", "the line")]
    except (msgspec.DecodeError, RecursionError) as error:
        return None, [f"is not valid JSON: {error}"]
    problems: list[Problem] = []
    fields = Fields(values, problems)
    prompt = _read_prompt(fields, raws)
    return (None if problems else prompt), [_said(each) for each in problems]


def _said(problem: Problem) -> str:
    """The mistake with its place, which the messages of requests name themselves."""
    return problem.message if problem.message.startswith("`") else f"`{problem.dotted()}` {problem.message}"


def _read_prompt(fields: Fields, raws: Raws) -> EvalPrompt | None:
    prompt_id = fields.text("prompt_id", "", pattern=r"(?s).{0,199}\S", right=f"1 to {LONGEST_ID} characters")
    if fields.raw("prompt_id") is None:
        fields.blame("prompt_id", "is required")
    task = fields.text("task", None, pattern=rf"(?s).{{0,{TASK_LIMIT - 1}}}\S", right=f"1 to {TASK_LIMIT} characters")
    for name, text in (("prompt_id", prompt_id), ("task", task or "")):
        if clean(text) != text:
            fields.blame(name, "has characters that no database can hold")
    max_tokens = fields.integer("max_tokens", DEFAULT_MAX_TOKENS, low=1, high=MOST_TOKENS)
    reference = fields.text("reference", None)
    graders = tuple(_read_graders(fields))
    request = _read_request(fields, raws, max_tokens)
    fields.close()
    if fields.problems or request is None:
        return None
    prompt = EvalPrompt(prompt_id, task or classify(request.features), request, max_tokens, graders, reference)
    scores = [score for score in prompt.scores(reference) if score is not None] if reference is not None else []
    if scores and fmean(scores) < 1.0:
        fields.blame("reference", "does not get a 1 from its own grader")
    return prompt


def _read_graders(fields: Fields) -> Iterator[AnyGrader]:
    value = fields.raw("grader")
    if value is None or value == []:
        fields.blame("grader", "is required")
    for position, each in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(each, Mapping):
            place = ("grader", position) if isinstance(value, list) else ("grader",)
            grader = read_grader(Fields(each, fields.problems, place))
            if grader is not None:
                yield grader
        elif each is not None:
            fields.blame("grader", "must be an object, or a list of objects")


def _read_request(fields: Fields, raws: Raws, max_tokens: int) -> CompletionRequest | None:
    """The request as a provider gets it, checked as the gateway checks those of callers."""
    if (fields.raw("prompt") is None) == (fields.raw("messages") is None):
        fields.blame("prompt", "or `messages` is required, one of the two")
        return None
    body = {name: raws[name] for name in _PASSED_ON if fields.raw(name) is not None}
    if fields.raw("messages") is not None:
        body["messages"] = raws["messages"]
    else:
        prompt = fields.text("prompt", "")
        body["messages"] = msgspec.Raw(msgspec.json.encode([{"role": "user", "content": prompt}]))
    if fields.problems:
        return None
    whole = msgspec.json.encode({"model": REQUESTED_MODEL, "max_tokens": max_tokens, **body})
    try:
        return parse_completion(whole)
    except BadRequest as error:
        fields.blame(error.param, error.message)
        return None
