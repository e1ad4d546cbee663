"""A gateway on any database, in processes that can be killed at any moment."""

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from benchmarks.load.servers import BenchmarkFailed, fake_provider, free_port, tail
from benchmarks.load.targets import COMMAND_LINE, MODEL, PRICES

ROUTER = "rtr_durable"
START_SECONDS = 60.0

CONFIGURATION = """\
database_url = "{database_url}"
listen = "127.0.0.1:{port}"

[providers.bench]
kind = "openai"
base_url = "http://127.0.0.1:{provider_port}/v1"
{models}
[routers.{router}]
name = "Durability"
models = [{listed}]
"""


class Gateway:
    """`bandit-gateway serve`, started and killed again and again. Its key and its address stay the same."""

    def __init__(self, folder: Path, database_url: str, provider_port: int, workers: int = 1) -> None:
        self.key = secrets.token_hex(24)
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._log = folder / f"gateway-{port}.log"
        self._folder = folder
        self._workers = workers
        self._configuration = folder / f"gateway-{port}.toml"
        self._configuration.write_text(
            CONFIGURATION.format(
                database_url=database_url,
                port=port,
                provider_port=provider_port,
                models="".join(
                    MODEL.format(name=name, input_usd=usd[0], cached_usd=usd[1], output_usd=usd[2])
                    for name, usd in PRICES.items()
                ),
                router=ROUTER,
                listed=", ".join(f'"bench/{name}"' for name in PRICES),
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it is ready. Raises BenchmarkFailed."""
        command = [sys.executable, *COMMAND_LINE, "serve", "--config", str(self._configuration)]
        command += ["--workers", str(self._workers)] if self._workers > 1 else []
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "BANDIT_GATEWAY_ADMIN_KEY": self.key},
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", timeout=2.0, trust_env=False).status_code == 200:
                    return
            time.sleep(0.02)
        raise BenchmarkFailed(f"the gateway is not ready:\n{tail(self._log)}")

    def kill(self) -> None:
        """SIGKILL every one of its processes, at once."""
        if self._process is not None:
            parent = psutil.Process(self._process.pid)
            for process in (parent, *parent.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it gracefully: it writes everything. Raises TimeoutExpired."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def ready(self) -> tuple[int, str]:
        """Status and body of `/readyz`."""
        answer = httpx.get(f"{self.url}/readyz", timeout=5.0, trust_env=False)
        return answer.status_code, answer.text


@contextmanager
def gateway(folder: Path, database_url: str, workers: int = 1) -> Iterator[Gateway]:
    """A gateway with a provider that answers at once; not started yet."""
    with fake_provider(folder / "provider.log") as port:
        it = Gateway(folder, database_url, port, workers)
        try:
            yield it
        finally:
            it.kill()
