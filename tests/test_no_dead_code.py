"""What nobody calls goes: every public module, class, function and method has a caller in the product itself.

Callers in tests and benchmarks don't count. Allowed by rule: what a decorator registers (routes, commands, hooks),
methods of a Protocol or of a class with a foreign base (others call them), migrations, entry points and
commands. Methods are told apart by their names alone.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from gateway.cli.commands import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGES = ("bandit", "storage", "gateway")
REGISTERING = {"get", "post", "put", "patch", "delete", "command", "callback", "listens_for", "exception_handler"}
"""Attributes that, as decorators, hand a function to a framework: `@router.get(…)`, `@app.command()`."""

ALLOWED: frozenset[str] = frozenset()
"""What frameworks call by its name alone."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the product: what it defines, and what of others it names."""

    name: str
    is_package: bool
    body: list[ast.stmt]
    classes: list[ast.ClassDef] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)  # `module` and `module.name`
    mentions: Counter[str] = field(default_factory=Counter)  # `name` and `.name` that are read
    attributes: set[str] = field(default_factory=set)  # `thing.name`
    strings: list[str] = field(default_factory=list)


@cache
def product() -> list[Module]:
    """All modules of the product, read once."""
    return [_read(file) for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def _read(file: Path) -> Module:
    parts = file.relative_to(ROOT).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    tree = ast.parse(file.read_text())
    module = Module(".".join(parts[:-1] if is_package else parts), is_package, tree.body, mentions=_mentions(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                module.imports.update(alias.name for alias in names)
            case ast.ImportFrom(module=str(source), names=names):
                module.imports.update({source, *(f"{source}.{alias.name}" for alias in names)})
            case ast.Attribute(value=ast.Name(id=thing), attr=name):
                module.attributes.add(f"{thing}.{name}")
            case ast.ClassDef():
                module.classes.append(node)
            case ast.Constant(value=str(text)):
                module.strings.append(text)
    return module


def _mentions(tree: ast.AST) -> Counter[str]:
    names: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names[node.id] += 1
        elif isinstance(node, ast.Attribute):
            names[f".{node.attr}"] += 1
    return names


def dead_modules() -> Iterator[str]:
    """Modules that no other imports and nothing starts."""
    started = [(ROOT / "pyproject.toml").read_text(), *(text for module in product() for text in module.strings)]
    imported = {name for module in product() for name in module.imports}
    for module in product():
        by_rule = module.is_package or module.name.endswith(".__main__") or ".migrations." in module.name
        by_rule |= module.name in {f"gateway.cli.{command}" for command in COMMANDS}
        if not by_rule and module.name not in imported and not any(f"{module.name}:" in text for text in started):
            yield module.name


def dead_functions() -> Iterator[str]:
    """Public classes and functions that no other module imports and that their own does not use."""
    imported = {name for module in product() if not module.is_package for name in module.imports}
    for package in product():
        if package.is_package:  # what it passes on counts if somebody takes it there
            imported |= {
                name
                for name in package.imports
                if f"{package.name}.{name.rpartition('.')[2]}" in imported or package.mentions[name.rpartition(".")[2]]
            }
    whole = {attribute for module in product() for attribute in module.attributes}
    named = {text for module in product() for text in module.strings}
    for module in product():
        last = module.name.rpartition(".")[2]
        for node in module.body:
            if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_") or _is_registered(node):
                continue
            used = module.mentions[node.name] > _mentions(node)[node.name]
            called = f"{module.name}.{node.name}" in imported or f"{last}.{node.name}" in whole
            called |= f"{module.name}:{node.name}" in named
            if not used and not called and ".migrations." not in module.name:
                yield f"{module.name}.{node.name}"


def dead_methods() -> Iterator[str]:
    """Public methods and properties whose name is read nowhere but in themselves."""
    mentions = sum((module.mentions for module in product()), Counter[str]())
    for module in product():
        ours = {node.name for node in module.classes}
        ours |= {name.rpartition(".")[2] for name in module.imports if name.partition(".")[0] in PACKAGES}
        for node in module.classes:
            if any(not isinstance(base, ast.Name) or base.id not in ours for base in node.bases):
                continue
            for method in node.body:
                if not isinstance(method, Function) or method.name.startswith("_") or _is_registered(method):
                    continue
                if mentions[f".{method.name}"] == _mentions(method)[f".{method.name}"]:
                    yield f"{module.name}.{node.name}.{method.name}"


def _is_registered(node: Function | ast.ClassDef) -> bool:
    calls = [decorator.func if isinstance(decorator, ast.Call) else decorator for decorator in node.decorator_list]
    return any(isinstance(call, ast.Attribute) and call.attr in REGISTERING for call in calls)


@pytest.fixture(scope="module")
def dead() -> set[str]:
    return {*dead_modules(), *dead_functions(), *dead_methods()}


def test_everything_public_has_a_caller_in_the_product(dead: set[str]) -> None:
    assert not dead - ALLOWED, "nobody but tests and benchmarks calls this: remove it"


def test_what_is_allowed_to_be_dead_is_dead(dead: set[str]) -> None:
    assert not ALLOWED - dead, "this has a caller now: take it off the list"


def test_the_check_finds_a_module_a_function_and_a_method_that_nobody_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    orphan = ast.parse("def orphan(): orphan()\nclass Used:\n    def idle(self): ...\n    def busy(self): ...\n")
    classes = [node for node in orphan.body if isinstance(node, ast.ClassDef)]
    caller = ast.parse("Used().busy()")
    monkeypatch.setitem(
        globals(),
        "product",
        lambda: [
            Module("bandit.orphan", False, orphan.body, classes, mentions=_mentions(orphan)),
            Module("gateway.__main__", False, caller.body, [], {"bandit.used.Used"}, _mentions(caller)),
        ],
    )
    assert list(dead_modules()) == ["bandit.orphan"]
    assert list(dead_functions()) == ["bandit.orphan.orphan", "bandit.orphan.Used"]
    assert list(dead_methods()) == ["bandit.orphan.Used.idle"]
