"""Requests that state no task: each task is a system prompt of its own, which is filled in for each request."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.replay.scenarios import World
from gateway.routing.sightings import Sighting, Sightings
from gateway.tasks.call_sites import call_site_of
from gateway.tasks.classifier import Features, classify

NAMES = ("Alice Smith", "Jürgen Müller", "María de la Cruz", "Wei Chen", "Olu Adeyemi", "Priya Raman", "Tom O'Brien")
MONTHS = ("January", "February", "March", "May", "June", "August", "October", "December")
MESSAGES = 2
RETRIEVED_CHARS = 400

Filled = Callable[[str, np.random.Generator, str], str]
"""Makes a prompt from what its task is called, a generator for what varies, and a text that was retrieved."""


def _with_date_and_user(task: str, rng: np.random.Generator, retrieved: str) -> str:
    month, name = rng.choice(MONTHS), rng.choice(NAMES)
    return (
        f"You are the {task} assistant of Globex. Today is {month} {rng.integers(1, 29)}, {rng.integers(2024, 2030)}. "
        f"The user is {name} (account {rng.integers(10_000, 99_999)}). Give the answer alone, without an explanation."
    )


def _with_retrieved_text(task: str, rng: np.random.Generator, retrieved: str) -> str:
    return (
        f"You work through {task} items for Initech's review team.\n\n"
        "Rules:\n- Read the item twice.\n- If the context helps, use it; if it does not, ignore it.\n\n"
        f"Context:\n{retrieved}"
    )


def _with_labels(task: str, rng: np.random.Generator, retrieved: str) -> str:
    return (
        f"# Role\nExaminer for {task}\n\n# Session\nUser: {rng.choice(NAMES)}\nSession ID: {rng.bytes(8).hex()}\n"
        f"Current time: {rng.integers(0, 24)}:{rng.integers(10, 60)}\n\n"
        "# Task\nSolve what the user sends, step by step.\n\n"
        f"<documents>{retrieved}</documents>"
    )


PROMPTS: tuple[Filled, ...] = (_with_date_and_user, _with_retrieved_text, _with_labels)


def from_call_sites(world: World, tasks: Sequence[str], seed: int) -> World:
    """The same world, seen as the gateway sees requests that state no task; `tasks` are those of the data's prompts."""
    rng = np.random.default_rng([seed, 13])
    kinds = {task: kind for kind, task in enumerate(sorted(set(tasks)))}
    sightings, built_in, seen = Sightings(), dict[str, str](), list[str]()
    for prompt, task in zip(world.prompts, (tasks[i] for i in world.order.tolist()), strict=True):
        retrieved = world.prompts[rng.integers(len(world))][:RETRIEVED_CHARS]
        system = PROMPTS[kinds[task] % len(PROMPTS)](task.replace("_", " "), rng, retrieved)
        site = call_site_of(system)
        own = None if site is None else built_in.get(site.key)
        features = _features(system, prompt)
        if site is not None and own is not None:
            seen.append(site.key)
            continue
        seen.append(classify(features))
        recurs = None if site is None else sightings.add(site.key, Sighting("key", MESSAGES, seen[-1]))
        if site is not None and recurs is not None:
            built_in[site.key] = recurs
    return replace(world, tasks=tuple(seen), built_in=built_in)


def _features(system: str, prompt: str) -> Features:
    return Features(
        system=system,
        text=prompt,
        prompt_chars=len(system) + len(prompt),
        tools=False,
        tool_turns=0,
        wants_json=False,
        images=0,
        turns=1,
        messages=MESSAGES,
    )
