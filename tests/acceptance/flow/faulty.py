"""A whole gateway before the faulty provider: a router for each cell of the table of faults."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from openai import OpenAI

from tests.support.fault_table import CELLS, TABLE
from tests.support.faulty_provider.exchange import FaultyProvider
from tests.support.faulty_provider.server import serve_faults
from tests.support.gateway import Running, run_gateway
from tests.support.sockets import listening, refusing_port
from tests.support.threads import on_a_thread

INPUT_USD, OUTPUT_USD = 1e-6, 2e-6
"""What a token costs at each of the models."""
GOOD = "patient/ok"
FIRST_KEY, SECOND_KEY = "sk-provider-5ad1cf0b7e93d2c81", "sk-provider-c8e0d94b1fa6273d2"
"""The first ends in 1, which the fault `429-key` refuses."""
LEFT = ("hang", "stall", "tires")
"""Faults that clients of the routers `rtr_left_…` lose their patience with before the gateway does."""


@dataclass(frozen=True)
class Faulty:
    """The gateway, its faulty provider, and clients of the gateway."""

    running: Running
    provider: FaultyProvider
    http: httpx.Client

    def client(self, router_id: str) -> OpenAI:
        return self.running.client(router_id)


def model_of(fault: str) -> str:
    return f"{TABLE[fault].place}/{fault}"


def router_of(fault: str, *, stream: bool, alone: bool) -> str:
    return f"rtr_{fault}_{'stream' if stream else 'whole'}_{'alone' if alone else 'pair'}"


def models_text(*model_ids: str) -> str:
    """Declares the models in TOML, with prices and abilities."""
    return "".join(
        f'[models."{model_id}"]\ninput_usd_per_million = 1\noutput_usd_per_million = 2\n'
        'context_window = 100000\nabilities = ["tools", "json_schema"]\n'
        for model_id in model_ids
    )


def routers_of_the_table() -> str:
    """Declares a router for each cell, with a good model and without, and those that clients leave."""
    text = models_text(GOOD, *map(model_of, TABLE), *(f"patient/{fault}" for fault in LEFT))
    for fault in LEFT:
        text += f'[routers.rtr_left_{fault}]\nmodels = ["patient/{fault}"]\n'
    for fault, stream in CELLS:
        for alone in (False, True):
            model = model_of(fault)
            listed = f'"{model}"' if alone else f'"{model}", "{GOOD}"'
            text += f"[routers.{router_of(fault, stream=stream, alone=alone)}]\nmodels = [{listed}]\n"
            text += f'policy = "fixed:{model}"\n'
    return text


@contextmanager
def run_faulty(directory: Path, configured: str) -> Iterator[Faulty]:
    """Run the provider on a thread, and a gateway with these models and routers before it."""
    with on_a_thread(faulty_servers()) as (provider, plain), refusing_port() as nobody:
        places = {
            "quick": (provider.base_url, "timeout_seconds = 1.0\nidle_seconds = 0.5\n"),
            "patient": (provider.base_url, ""),
            "keys": (provider.base_url, 'api_key = ["env:FIRST_KEY", "env:SECOND_KEY"]\n'),
            "refused": (f"http://127.0.0.1:{nobody}/v1", ""),
            "unresolved": ("http://nowhere.invalid/v1", ""),
            "tls": (f"https://127.0.0.1:{plain}/v1", ""),
        }
        text = f'database_url = "sqlite:///{directory / "ledger.db"}"\n'
        for name, (url, more) in places.items():
            key = "" if "api_key" in more else 'api_key = "env:FIRST_KEY"\n'
            text += f'[providers.{name}]\nbase_url = "{url}"\n{key}{more}'
        with (
            run_gateway(text + configured, directory, {"FIRST_KEY": FIRST_KEY, "SECOND_KEY": SECOND_KEY}) as running,
            running.http() as http,
        ):
            yield Faulty(running, provider, http)


@asynccontextmanager
async def faulty_servers() -> AsyncIterator[tuple[FaultyProvider, int]]:
    """The faulty provider, and a port where nobody speaks TLS."""

    async def answer_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(answer_plainly) as plain, serve_faults() as provider:
        yield provider, plain
