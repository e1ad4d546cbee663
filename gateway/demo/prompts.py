"""The questions that simulated users ask, by task."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt and its task."""

    task: str
    text: str


_TASKS: dict[str, tuple[int, tuple[str, ...]]] = {
    "code": (
        5,
        (
            "Write a Python function that merges {n} sorted lists into one.",
            "Why does this fail for n = {n}?\n```python\ndef f(n):\n    return f(n - 1) * n\n```",
            "Write a SQL query for the {n} customers with the highest revenue this year.",
        ),
    ),
    "math": (
        4,
        (
            "What is the probability of at least one six in {n} throws of a die?",
            "Solve x^2 - {n}x + 12 = 0 and show the steps.",
            "A train needs {n} minutes for 30 km. How fast is it in km/h?",
        ),
    ),
    "analysis": (
        3,
        (
            "Compare three ways to store {n} million events and recommend one, with your reasons.",
            "Plan the migration of {n} services to a new data centre: steps, risks, order.",
        ),
    ),
    "question_answering": (
        3,
        ("Who was the {n}th president of the United States?", "Which element has the atomic number {n}?"),
    ),
    "extraction": (
        2,
        ("Extract name, date and amount as JSON: 'Invoice {n} of 3 May to Ada Lovelace over 120 EUR.'",),
    ),
    "writing": (
        3,
        ("Write a friendly reminder about invoice {n} in three sentences.", "Write a headline for our {n}th birthday."),
    ),
}
"""Per task: its weight among all questions, and the templates of its prompts."""

TASKS = tuple(_TASKS)


def questions(count: int, seed: int) -> list[Question]:
    """`count` questions, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - a simulation
    weights = [weight for weight, _ in _TASKS.values()]
    tasks = rng.choices(TASKS, weights, k=count)
    return [Question(task, rng.choice(_TASKS[task][1]).format(n=rng.randint(3, 97))) for task in tasks]
