"""Starts a gateway: in this process on a thread (`run_gateway`), or as a child process (`GatewayProcess`)."""

import contextlib
import os
import secrets
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import httpx
import psutil
from openai import OpenAI

from gateway.api_keys import new_key
from gateway.app import Gateway
from gateway.routing.cooldowns import Cooldowns
from gateway.routing.holds import Holds
from gateway.serving.bootstrap import prepare
from gateway.serving.connection_limits import ConnectionLimits
from gateway.serving.direct import direct_protocol
from gateway.serving.rereading import read, read_again
from gateway.settings import load
from gateway.telemetry.instruments import Instruments
from storage.database.engine import open_database
from storage.stores.keys import Keys
from tests.support.instruments import instruments
from tests.support.processes import END_SECONDS, START_SECONDS, RunFailed, end, spawn, wait_for_output
from tests.support.scripted_provider import Received
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

COMMAND_LINE = ("-m", "gateway.cli")
"""How Python runs `bandit-gateway`, wherever its script is."""
_ADDRESS = r"answers on (https?://\S+)[^\0]*^  (?:curl|bandit-gateway keys create) "
"""The banner from its first to its last line."""


@dataclass
class Running:
    """A gateway in this process, and an API key of every kind. `official` is closed with it, and so are its copies."""

    url: str
    gateway: Gateway
    keys: dict[str, str]
    official: OpenAI
    received: Received = field(default_factory=Received)

    def client(self, router_id: str = "rtr_good", key: str = "routing") -> OpenAI:
        # A client of its own for each test would be collected with its sockets open: a ResourceWarning, now and then.
        return self.official.with_options(base_url=f"{self.url}/{router_id}", api_key=self.keys.get(key, key))

    def http(self, key: str | None = "routing") -> httpx.Client:
        headers = {} if key is None else {"authorization": f"Bearer {self.keys.get(key, key)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def forget_cooldowns(self) -> None:
        """Let every model be tried again, whatever happened to it in another test."""
        model_states = self.gateway.model_states
        for breakers in (model_states.cooldowns, model_states.judges, model_states.shadows):
            vars(breakers).update(vars(Cooldowns()))
        vars(model_states.holds).update(vars(Holds()))


@contextlib.contextmanager
def run_gateway(
    configuration: str,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    made_instruments: Instruments | None = None,
) -> Iterator[Running]:
    """Run a gateway with this configuration on a thread of this process."""
    config = folder / "bandit-gateway.toml"
    config.write_text(configuration)
    reading = partial(load, config, environ or {})
    configured = read(reading)
    database = open_database(configured.settings.database_url)
    try:
        prepare(configured.settings, configured.catalog, database, time.time())
        keys = _add_keys(Keys(database), time.time())
        gateway = Gateway(
            configured, database, made_instruments or instruments(), partial(read_again, reading, database=database)
        )
        protocol = direct_protocol(ConnectionLimits(), gateway.count_refusal, gateway)
        with (
            serve_app(gateway, protocol) as url,
            OpenAI(base_url=url, api_key="none", max_retries=0, timeout=60) as official,
        ):
            yield Running(url, gateway, keys, official)
    finally:
        database.close()


def _add_keys(store: Keys, now: float) -> dict[str, str]:
    wanted = {
        "routing": (("routing",), None, None),
        "other": (("routing",), None, None),
        "feedback": (("feedback",), None, None),
        "second": (("routing",), ("rtr_second",), None),
        "expired": (("routing",), None, now - 1),
        "revoked": (("routing",), None, None),
        "admin": (("admin",), None, None),
    }
    secrets = {}
    for label, (scopes, routers, expires_at) in wanted.items():
        secrets[label], record = new_key(label, scopes, routers, expires_at, now=now)
        store.add(record)
        if label == "revoked":
            store.revoke(record.id, now)
    return secrets


class GatewayProcess:
    """`bandit-gateway serve` as the child process of a context; its files and its log lie in `folder`.

    It can be stopped or killed and started again, with the same URL and the same admin key. `configuration` None: as
    a newcomer starts it, without a file and an admin key. One with `listen` keeps its addresses. `launcher`: what
    Python runs instead of `COMMAND_LINE`; `trusted`: the certificate of a gateway with TLS.
    """

    def __init__(
        self,
        folder: Path,
        configuration: str | None = None,
        *,
        workers: int = 1,
        environ: Mapping[str, str] | None = None,
        launcher: Sequence[str] = COMMAND_LINE,
        core: int | None = None,
        drain_seconds: float | None = 0.0,
        trusted: Path | None = None,
    ) -> None:
        self.key = secrets.token_hex(24) if configuration is not None else ""
        self.log = folder / "serve.log"
        self.url = ""
        self._folder = folder
        self._arguments = [sys.executable, *launcher, "serve", "--workers", str(workers)]
        if drain_seconds is not None:  # an earlier version does not know it
            self._arguments += ["--drain-seconds", str(drain_seconds)]
        self._environ = {**clean_environ(), **(environ or {})}
        if configuration is not None:
            (folder / "bandit-gateway.toml").write_text(configuration)
            self._environ["BANDIT_GATEWAY_ADMIN_KEY"] = self.key
        self._verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=trusted) if trusted else True
        self._has_address = "listen = " in (configuration or "")
        self._core = core
        self._process: subprocess.Popen[bytes] | None = None
        self._start = 0

    def __enter__(self) -> "GatewayProcess":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            end(self._process)

    @property
    def pid(self) -> int:
        """The process that was started last; with several workers, their parent."""
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        """The port that it listens on; 0 before the first start."""
        return urlsplit(self.url).port or 0

    @property
    def output(self) -> str:
        """What it has printed and logged since it was started last."""
        return self.log.read_bytes()[self._start :].decode(errors="replace")

    def start(self, *, ready: bool = True) -> None:
        """Start it, and return when it is ready, or else when it says where it answers. Raises RunFailed."""
        self._start = self.log.stat().st_size if self.log.exists() else 0
        command = [*self._arguments, *([] if self._has_address else ["--port", str(self.port)])]
        process = spawn(command, self.log, environ=self._environ, folder=self._folder, core=self._core)
        self._process = process
        try:
            self.url = wait_for_output(process, self.log, _ADDRESS, self._start)[1]
            if ready:
                wait_until(lambda: self.readiness()[0] == 200, "the gateway is ready", START_SECONDS)
        except BaseException:
            process.kill()
            process.wait()
            raise

    def readiness(self) -> tuple[int, str]:
        """Status and body of `/readyz`."""
        answer = httpx.get(f"{self.url}/readyz", timeout=30.0, trust_env=False, verify=self._verify)
        return answer.status_code, answer.text

    def client(self) -> httpx.Client:
        """A client with the admin key."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60.0, trust_env=False, verify=self._verify)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started last."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit status, once it has ended. Raises TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(END_SECONDS)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it gracefully; its exit status. Raises TimeoutExpired."""
        self.send_signal(number)
        return self.wait()

    def kill_a_worker(self) -> None:
        """SIGKILL one of several workers."""
        psutil.Process(self.pid).children()[0].kill()

    def kill(self) -> None:
        """SIGKILL it and all its workers at once."""
        parent = psutil.Process(self.pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):  # a worker ends when its parent does
                process.kill()
        self.wait()


def run_command(*arguments: str) -> str:
    """Run `bandit-gateway` with these arguments; what it prints to stdout. Raises RunFailed."""
    command = [sys.executable, *COMMAND_LINE, *arguments]
    ran = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RunFailed(f"bandit-gateway {' '.join(arguments)}:\n{ran.stderr}")
    return ran.stdout.strip()


def clean_environ() -> dict[str, str]:
    """This process's environment without what configures a gateway."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_API_KEY_FILE")) and not name.startswith("BANDIT_GATEWAY_")
    }
