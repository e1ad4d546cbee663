"""A real PgBouncer before a PostgreSQL server, if the machine has one (Debian: `apt-get install pgbouncer`)."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from tests.support.processes import end, spawn, wait_for_output

PORT = 6432
"""Names the Unix socket; nothing listens on TCP."""


class NoPgbouncer(Exception):
    """The machine has no PgBouncer."""


class Pgbouncer:
    """A pooler of a few connections for the length of a context. Raises NoPgbouncer."""

    def __init__(self, server_url: str, pool_mode: str, *, connections: int = 4) -> None:
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise NoPgbouncer("there is no pgbouncer on this machine (Debian: apt-get install pgbouncer)")
        (host,) = parse_qs(urlsplit(server_url).query)["host"]
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="ledger-bouncer-"))
        self._folder.chmod(0o777)
        (self._folder / "users").write_text('"postgres" ""\n')
        (self._folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={host} user=postgres\n[pgbouncer]\nlisten_port = {PORT}\nlisten_addr =\n"
            f"unix_socket_dir = {self._folder}\nauth_type = any\nauth_file = {self._folder}/users\n"
            f"pool_mode = {pool_mode}\ndefault_pool_size = {connections}\nmax_client_conn = 200\n"
            f"pidfile = {self._folder}/pid\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Pgbouncer":
        command = [self._program, str(self._folder / "pgbouncer.ini")]
        if os.geteuid() == 0:  # which it refuses to run as
            command[1:1] = ["-u", "nobody"]
        log = self._folder / "log"
        self._process = spawn(command, log, folder=self._folder)
        wait_for_output(self._process, log, "process up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            end(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """The URL of one of the server's databases through the pooler."""
        return f"postgresql://postgres@/{database}?host={self._folder}&port={PORT}"
