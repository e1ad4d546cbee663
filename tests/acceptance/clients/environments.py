"""Installs clients: each into a virtual environment, those for Node into one folder; both are kept for the next run.

They never share an environment with the gateway or with one another.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.acceptance.clients.roster import Client

SCRIPTS = Path(__file__).parent / "scripts"
KEPT = Path.home() / ".cache" / "bandit-gateway-clients"
NODE_MAJOR = 18
INSTALL_SECONDS = 240
_MARK = ".installed"


class NotInstalled(Exception):
    """A client could not be installed."""


class NoNode(NotInstalled):
    """Node.js or npm is not on this machine, or too old."""


def install(client: Client, folder: Path) -> tuple[Sequence[str], str]:
    """The command that runs the client's scripts, and the client's version. Raises NotInstalled."""
    return _install_python(client, client.requirement, folder) if client.requirement else _install_node(client, folder)


def home(client: Client, folder: Path) -> Path:
    """The client's own folder, or the one that all clients for Node share."""
    return folder / (client.name if client.requirement else "node")


def program(client: Client, folder: Path) -> Path:
    """The client's script; for Node it has to lie beside node_modules."""
    return (SCRIPTS if client.requirement else home(client, folder)) / client.script


def _install_python(client: Client, requirement: str, folder: Path) -> tuple[Sequence[str], str]:
    own = home(client, folder)
    python = own / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = f"{requirement} on Python {sys.version_info.major}.{sys.version_info.minor}"
    if not _is_installed(own, wanted):
        _run([sys.executable, "-m", "venv", str(own)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirement.split()])
        (own / _MARK).write_text(wanted)
    version = f"from importlib.metadata import version; print(version({client.package!r}))"
    return [str(python)], _run([str(python), "-c", version]).strip()


def _install_node(client: Client, folder: Path) -> tuple[Sequence[str], str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NoNode("node and npm are not on this machine")
    found = _run([node, "--version"]).strip()
    major = re.match(r"v(\d+)", found)
    if major is None or int(major[1]) < NODE_MAJOR:
        raise NoNode(f"node is {found}; {NODE_MAJOR} or newer is needed")
    shared = home(client, folder)
    wanted = f"{(SCRIPTS / 'package.json').read_text()} on {found}"
    if not _is_installed(shared, wanted):
        shared.mkdir(parents=True)
        shutil.copy(SCRIPTS / "package.json", shared)
        _run([npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(shared)])
        (shared / _MARK).write_text(wanted)
    for script in SCRIPTS.glob("*.mjs"):
        shutil.copy(script, shared)
    package = json.loads((shared / "node_modules" / client.package / "package.json").read_text())
    return [node], str(package["version"])


def _is_installed(place: Path, wanted: str) -> bool:
    """Whether this folder holds what is wanted; anything else or incomplete is removed."""
    mark = place / _MARK
    if mark.exists() and mark.read_text() == wanted:
        return True
    shutil.rmtree(place, ignore_errors=True)
    return False


def _run(command: Sequence[str]) -> str:
    """Run a command; its stdout. Raises NotInstalled with the end of its output."""
    polite = ["nice", *command] if shutil.which("nice") else list(command)
    try:
        ran = subprocess.run(polite, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{' '.join(command)} took more than {INSTALL_SECONDS} s") from None
    if ran.returncode:
        raise NotInstalled(f"{' '.join(command)} failed: {(ran.stdout + ran.stderr).strip()[-800:]}")
    return ran.stdout
