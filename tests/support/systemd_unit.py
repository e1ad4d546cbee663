"""What a systemd unit of `deploy/` runs, with folders of this machine in place of the system's."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.proxies import DEPLOY, replaced


@dataclass(frozen=True, slots=True)
class Service:
    """The command lines, the environment and the working directory of one instance."""

    start: list[str]
    reload: str
    environ: dict[str, str]
    folder: Path


def read_unit(name: str, instance: str, folders: Mapping[str, str]) -> Service:
    """Read a template unit for one instance. `folders` maps the system's folders to others."""
    text = replaced((DEPLOY / name).read_text(), folders).replace("%i", instance)
    (start,), (reload,), (folder,) = (_values(text, key) for key in ("ExecStart", "ExecReload", "WorkingDirectory"))
    environ = dict(each.split("=", 1) for each in _values(text, "Environment"))
    return Service(shlex.split(start), reload, environ, Path(folder))


def _values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)
