"""A PgBouncer of the tests' own, where Debian's package `pgbouncer` is installed."""

import shutil
from pathlib import Path

from benchmarks.store.temporary_postgresql import unprivileged
from tests.real.processes import ServerProcess, find_program

# As Debian has it, but for where it listens and what it is in front of: among others, it takes no
# startup parameter that it does not know.
_SETTINGS = """\
[databases]
* = host={server} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {size}
"""


class PgBouncer(ServerProcess):
    """It pools connections to a PostgreSQL server, each for the time of a transaction.

    Arguments:
        server: The folder of the server's socket.
        size: How many connections to each database there are.

    """

    def __init__(self, server: Path, size: int) -> None:
        super().__init__()
        self._program = find_program("pgbouncer", "pgbouncer")
        self._server = server
        self._size = size

    def command(self) -> list[str | Path]:
        users, settings = self.folder / "users", self.folder / "pgbouncer.ini"
        users.write_text('"postgres" ""\n')
        settings.write_text(
            _SETTINGS.format(server=self._server, port=self.port, users=users, size=self._size),
        )
        user = unprivileged()  # it refuses to run as root
        if user is None:
            return [self._program, settings]
        shutil.chown(self.folder, user)
        return [self._program, "-u", user, settings]

    def url(self, database: str) -> str:
        """Return the URL of a database behind it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
