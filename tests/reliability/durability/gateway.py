"""The gateway under load: five models of one provider, in child processes that can be killed at any moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.faulty_provider.server import run_faults
from tests.support.gateway import GatewayProcess

ROUTER = "rtr_durable"
PRICES = {"ant": (0.1, 0.4), "bee": (0.25, 2.0), "cat": (1.0, 5.0), "dog": (1.25, 10.0), "elk": (3.0, 15.0)}
"""Model → dollars per million tokens, input and output."""

_CONFIGURATION = """\
database_url = "{database_url}"
[providers.local]
base_url = "http://127.0.0.1:{provider_port}/v1"
[routers.{router}]
models = [{listed}]
"""
_MODEL = """\
[models."local/{name}"]
upstream_name = "ok"
input_usd_per_million = {input_usd}
output_usd_per_million = {output_usd}
context_window = 200000
"""


@contextmanager
def run_gateway(folder: Path, database_url: str, workers: int = 1) -> Iterator[GatewayProcess]:
    """A gateway on this database, before a provider that answers at once."""
    with run_faults(folder / "provider.log") as provider_port:
        text = _CONFIGURATION.format(
            database_url=database_url,
            provider_port=provider_port,
            router=ROUTER,
            listed=", ".join(f'"local/{name}"' for name in PRICES),
        )
        for name, (input_usd, output_usd) in PRICES.items():
            text += _MODEL.format(name=name, input_usd=input_usd, output_usd=output_usd)
        with GatewayProcess(folder, text, workers=workers) as gateway:
            yield gateway
