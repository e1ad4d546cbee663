"""Questions whose answers can be judged by a rule: small sums, short facts, and JSON with given content.

`judge` gives 1 for the answer that was asked for, 0.5 for one that holds it among other words (or is valid JSON of
other content), else 0. Nothing is judged by another model.
"""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kind of a question; also the name of its task."""

    SUM = "sum"
    FACT = "fact"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, and the answer that is right: a number, some words, or a JSON object."""

    kind: Kind
    prompt: str
    right: str
    max_tokens: int


FACTS = (
    ("What is the capital of France?", "Paris"),
    ("What is the capital of Italy?", "Rome"),
    ("What is the capital of Japan?", "Tokyo"),
    ("What is the capital of Germany?", "Berlin"),
    ("What is the capital of Spain?", "Madrid"),
    ("What is the capital of Egypt?", "Cairo"),
    ("What is the capital of Russia?", "Moscow"),
    ("What is the capital of England?", "London"),
    ("What is the capital of China?", "Beijing"),
    ("What is the capital of Canada?", "Ottawa"),
    ("What is the capital of Portugal?", "Lisbon"),
    ("What is the capital of Greece?", "Athens"),
    ("What is the capital of Austria?", "Vienna"),
    ("What is the capital of Poland?", "Warsaw"),
    ("What is the capital of Ireland?", "Dublin"),
    ("What is the capital of Norway?", "Oslo"),
    ("What is the capital of Sweden?", "Stockholm"),
    ("What is the capital of Cuba?", "Havana"),
    ("What is the capital of Peru?", "Lima"),
    ("What is the capital of Kenya?", "Nairobi"),
    ("Which planet do we live on?", "Earth"),
    ("Which planet is closest to the sun?", "Mercury"),
    ("Which planet is the largest of the solar system?", "Jupiter"),
    ("Which planet is called the red planet?", "Mars"),
    ("Which planet is known for its rings?", "Saturn"),
    ("What is frozen water called?", "Ice"),
    ("Which gas do people need to breathe?", "Oxygen"),
    ("Which gas do plants take in from the air?", "Carbon dioxide"),
    ("Which metal has the chemical symbol Fe?", "Iron"),
    ("Which metal has the chemical symbol Au?", "Gold"),
    ("Which animal is known as man's best friend?", "Dog"),
    ("Which animal says meow?", "Cat"),
    ("Which animal gives us milk and says moo?", "Cow"),
    ("Which is the largest animal on Earth?", "Blue whale"),
    ("Which is the tallest animal on Earth?", "Giraffe"),
    ("Which insect makes honey?", "Bee"),
    ("Who wrote Romeo and Juliet?", "William Shakespeare"),
    ("Who painted the Mona Lisa?", "Leonardo da Vinci"),
    ("Who was the first president of the United States?", "George Washington"),
    ("Who developed the theory of relativity?", "Albert Einstein"),
    ("Which ocean is the largest?", "Pacific Ocean"),
    ("Which continent is the largest?", "Asia"),
    ("Which continent is Egypt in?", "Africa"),
    ("Which continent is Brazil in?", "South America"),
    ("Which language do people speak in Brazil?", "Portuguese"),
    ("Which language do people speak in Mexico?", "Spanish"),
    ("What is the opposite of hot?", "Cold"),
    ("What is the opposite of up?", "Down"),
    ("What is the opposite of big?", "Small"),
    ("What is the opposite of day?", "Night"),
    ("Which day comes after Monday?", "Tuesday"),
    ("Which day comes after Friday?", "Saturday"),
    ("Which month comes after January?", "February"),
    ("Which month is the last of the year?", "December"),
    ("Which season comes after winter?", "Spring"),
    ("Which colour is the sky on a clear day?", "Blue"),
    ("Which colour is grass?", "Green"),
    ("Which colour do you get from blue and yellow?", "Green"),
    ("Which colour is a ripe banana?", "Yellow"),
    ("Which star is closest to the Earth?", "Sun"),
)
NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Iris", "Jonas", "Karin", "Leo", "Mia")
CITIES = ("Rome", "Oslo", "Lima", "Cairo", "Paris", "Tokyo", "Dublin", "Athens", "Boston", "Madrid", "Vienna")
THINGS = ("apple", "chair", "book", "lamp", "pencil", "bottle", "candle", "mirror", "basket", "hammer", "blanket")


def questions(count: int, seed: int) -> list[Question]:
    """`count` different questions, shuffled: three tenths facts (there are 60), three tenths JSON, the rest sums."""
    draw = random.Random(seed)
    facts = [_fact(question, right) for question, right in draw.sample(FACTS, len(FACTS))][: count * 3 // 10]
    objects = _distinct(_json, count * 3 // 10, draw)
    sums = _distinct(_sum, count - len(facts) - len(objects), draw)
    found = [*facts, *objects, *sums]
    draw.shuffle(found)
    return found


def judge(question: Question, answer: str) -> float:
    """The score of an answer, in [0, 1]."""
    if question.kind is Kind.SUM:
        return _judge_number(question.right, answer)
    if question.kind is Kind.JSON:
        return _judge_json(question.right, answer)
    return _judge_words(question.right, answer)


def _fact(question: str, right: str) -> Question:
    return Question(Kind.FACT, f"{question} Answer with the name or word only.", right, 24)


def _sum(draw: random.Random) -> Question:
    a, b = draw.randint(1, 60), draw.randint(1, 40)
    if draw.random() < 0.5:
        return Question(Kind.SUM, f"What is {a} + {b}? Answer with the number only.", str(a + b), 24)
    high, low = max(a, b), min(a, b)
    return Question(Kind.SUM, f"What is {high} - {low}? Answer with the number only.", str(high - low), 24)


def _json(draw: random.Random) -> Question:
    if draw.random() < 0.5:
        right = {"name": draw.choice(NAMES), "age": draw.randint(18, 80), "city": draw.choice(CITIES)}
        said = f"{right['name']} is {right['age']} years old and lives in {right['city']}."
    else:
        right = {"item": draw.choice(THINGS), "count": draw.randint(2, 90), "price": draw.randint(1, 40)}
        said = f"We ordered {right['count']} of the item {right['item']} at a price of {right['price']} dollars each."
    keys = ", ".join(f'"{key}"' for key in right)
    prompt = f"{said} Write this as one JSON object with the keys {keys}. Answer with the JSON only."
    return Question(Kind.JSON, prompt, json.dumps(right), 64)


def _distinct(make: Callable[[random.Random], Question], count: int, draw: random.Random) -> list[Question]:
    found: dict[str, Question] = {}
    while len(found) < count:
        question = make(draw)
        found[question.prompt] = question
    return list(found.values())


def _judge_number(right: str, answer: str) -> float:
    if answer.strip().rstrip(".") == right:
        return 1.0
    numbers = re.findall(r"-?\d+", answer)
    return 0.5 if numbers and numbers[-1] == right else 0.0


def _judge_words(right: str, answer: str) -> float:
    said, wanted = _words(answer), _words(right)
    if said == wanted:
        return 1.0
    return 0.5 if f" {wanted} " in f" {said} " else 0.0


def _judge_json(right: str, answer: str) -> float:
    text = re.sub(r"^```(?:json)?\s*|\s*```$", "", answer.strip())
    try:
        value = json.loads(text)
    except ValueError:
        return 0.0
    if not isinstance(value, dict):
        return 0.0
    return 1.0 if value == json.loads(right) else 0.5


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
