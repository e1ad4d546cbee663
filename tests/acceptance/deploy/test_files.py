"""The files of `deploy/` name only what there is: commands, options, variables, ports and paths."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from gateway.serving.server import SHUTDOWN_SECONDS
from gateway.settings import load
from gateway.settings.listening import Listening
from gateway.settings.loading import ADMIN_KEY_VARIABLE, DATABASE_VARIABLE
from gateway.settings.presets import PRESETS
from tests.support.gateway import COMMAND_LINE, GatewayProcess, clean_environ
from tests.support.processes import CHECKOUT

DEPLOY = CHECKOUT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
COMPOSE: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES: Any = {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}
POD: Any = KUBERNETES["StatefulSet"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
MOUNTS = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
STATE = "/var/lib/bandit-gateway"
SECRETS = {DATABASE_VARIABLE, ADMIN_KEY_VARIABLE, *(preset.variable for preset in PRESETS.values())}


def options_of(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if argument.startswith("--")]


def test_every_variable_is_one_that_the_gateway_reads() -> None:
    texts = [path.read_text() for path in DEPLOY.iterdir()]
    named = {name for text in texts for name in re.findall(r"\b(?:BANDIT_GATEWAY|OPENAI)_[A-Z_]+", text)}
    assert named <= {f"{name}_FILE" for name in SECRETS}


def test_every_option_is_one_of_serve() -> None:
    ran = subprocess.run([sys.executable, *COMMAND_LINE, "serve", "--help"], capture_output=True, text=True, check=True)
    (default,) = re.findall(r"^CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    for command in (json.loads(default), COMPOSE["services"]["gateway"]["command"], CONTAINER["args"]):
        assert command[0] == "serve"
        assert all(option in ran.stdout for option in options_of(command))


def test_what_the_container_copies_is_what_the_wheel_needs() -> None:
    lines = [line.split() for line in CONTAINERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line]
    names = {name for line in lines for name in line[1:-1]}
    assert all((CHECKOUT / name).exists() for name in names)
    project = (CHECKOUT / "pyproject.toml").read_text()
    (packages,) = re.findall(r"^packages = (\[.*\])$", project, re.MULTILINE)
    (readme,) = re.findall(r'^readme = "([^"]*)"', project, re.MULTILINE)
    assert {*json.loads(packages), readme, "pyproject.toml", "LICENSE"} <= names


def test_the_container_s_command_and_health_check_work(tmp_path: Path) -> None:
    (check,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    with GatewayProcess(tmp_path, '[routers.rtr_a]\nmodels = ["simulated/swift"]\n') as gateway:
        command = [each.replace("8790", str(gateway.port)) for each in json.loads(check)]
        command[0] = sys.executable
        assert subprocess.run(command, check=False, env=clean_environ()).returncode == 0
        gateway.stop()
        assert subprocess.run(command, check=False, env=clean_environ(), capture_output=True).returncode != 0


def test_nobody_is_root_and_what_must_last_is_in_a_volume() -> None:
    assert re.search(r"^USER (\d+)$", CONTAINERFILE, re.MULTILINE)
    assert f"VOLUME {STATE}\n" in CONTAINERFILE
    assert f"WORKDIR {STATE}\n" in CONTAINERFILE, "the spool is in the working directory"
    assert any(each.endswith(f":{STATE}") for each in COMPOSE["services"]["gateway"]["volumes"])
    assert MOUNTS["spool"] == STATE
    assert str(POD["securityContext"]["runAsUser"]) in CONTAINERFILE


def test_secrets_are_mounted_where_the_variables_look() -> None:
    service = COMPOSE["services"]["gateway"]
    for path in service["environment"].values():
        assert Path(path).name in service["secrets"]
        assert Path(path).name in COMPOSE["secrets"]
    for variable in CONTAINER["env"]:
        assert str(Path(variable["value"]).parent) == MOUNTS["secrets"]


def test_a_stop_has_time_to_drain_and_to_finish() -> None:
    unit = (DEPLOY / "bandit-gateway@.service").read_text()
    (systemd,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    compose = COMPOSE["services"]["gateway"]["stop_grace_period"].removesuffix("s")
    sleep = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    least = Listening().drain_seconds + SHUTDOWN_SECONDS
    assert int(systemd) > least
    assert int(compose) > least
    assert POD["terminationGracePeriodSeconds"] > least + sleep


def test_probes_ask_what_there_is(tmp_path: Path) -> None:
    with (
        GatewayProcess(tmp_path, '[routers.rtr_a]\nmodels = ["simulated/swift"]\n') as gateway,
        gateway.client() as http,
    ):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert http.get(CONTAINER[probe]["httpGet"]["path"]).status_code == 200


def test_the_examples_of_the_configuration_are_valid(tmp_path: Path) -> None:
    (tmp_path / "openai-key").write_text("sk-one")
    embedded = KUBERNETES["ConfigMap"]["data"]["bandit-gateway.toml"].replace(MOUNTS["secrets"], str(tmp_path))
    for text in ((DEPLOY / "bandit-gateway.toml").read_text(), embedded):
        (tmp_path / "bandit-gateway.toml").write_text(text)
        assert list(load(tmp_path / "bandit-gateway.toml", {}).routers) == ["rtr_support"]
