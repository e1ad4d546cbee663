"""Other gateways as targets, each from an environment of its own: a directory made by `python -m venv`.

TensorZero  pip install tensorzero: its wheel holds the gateway; nothing is recorded (observability is off)
LiteLLM     pip install 'litellm[proxy]': one worker, no database, no callbacks
"""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.overhead.servers import TARGET_CORE, put_load_on
from benchmarks.overhead.targets import Target
from tests.support.processes import running, wait_for_output

_TENSORZERO = """\
[gateway]
observability.enabled = false
[models.bench]
routing = ["bench"]
[models.bench.providers.bench]
type = "openai"
model_name = "bench"
api_base = "http://127.0.0.1:{port}/v1/"
api_key_location = "none"
"""

_TENSORZERO_SERVER = """\
import signal, sys, tensorzero
gateway = tensorzero._start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print("listening on", gateway.base_url, flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
"""

_LITELLM = """\
model_list:
  - model_name: bench
    litellm_params: {{model: openai/bench, api_base: "http://127.0.0.1:{port}/v1", api_key: none}}
litellm_settings: {{telemetry: false, num_retries: 0}}
general_settings: {{dangerously_permit_weak_or_unset_master_key: true}}
"""


@contextmanager
def tensorzero(environment: Path, provider_port: int, directory: Path) -> Iterator[Target]:
    """TensorZero's gateway, running. Raises RunFailed."""
    configuration, log = directory / "tensorzero.toml", directory / "tensorzero.log"
    configuration.write_text(_TENSORZERO.format(port=provider_port))
    command = [str(environment / "bin" / "python"), "-c", _TENSORZERO_SERVER, str(configuration)]
    with running(command, log, core=TARGET_CORE) as process:
        port = int(wait_for_output(process, log, r"^listening on http://127\.0\.0\.1:(\d+)/openai/v1$")[1])
        path, model = "/openai/v1/chat/completions", "tensorzero::model_name::bench"
        yield Target("tensorzero", "127.0.0.1", port, [path], [process.pid], model=model, log=log)


@contextmanager
def litellm(environment: Path, provider_port: int, directory: Path) -> Iterator[Target]:
    """LiteLLM's proxy, running. Raises RunFailed."""
    configuration, log = directory / "litellm.yaml", directory / "litellm.log"
    configuration.write_text(_LITELLM.format(port=provider_port))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    started = ["env", "LITELLM_LOCAL_MODEL_COST_MAP=True", str(environment / "bin" / "litellm")]
    command = [*started, "--config", str(configuration), "--host", "127.0.0.1"]
    with running([*command, "--port", str(port), "--num_workers", "1"], log, core=TARGET_CORE) as process:
        wait_for_output(process, log, r"Application startup complete")
        target = Target("litellm", "127.0.0.1", port, ["/v1/chat/completions"], [process.pid], model="bench", log=log)
        put_load_on(target.load(1, requests=10))  # its first answer takes seconds
        yield target


GATEWAYS: Mapping[str, Callable[[Path, int, Path], AbstractContextManager[Target]]] = {
    "tensorzero": tensorzero,
    "litellm": litellm,
}
