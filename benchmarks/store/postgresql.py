"""The PostgreSQL server of the benchmarks, with the settings that it comes with."""

import socket

from benchmarks.store.temporary_postgresql import TemporaryPostgreSQL, newest_binaries


class Cluster(TemporaryPostgreSQL):
    """A server on a free port."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        super().__init__(newest_binaries(), f"port={self._port}", "listen_addresses=127.0.0.1")

    @property
    def pid(self) -> int:
        """The number of its first process."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def create(self, name: str) -> str:
        """Make a database; return its URL."""
        self.run("createdb", *self._where(), name)
        return f"postgresql://postgres@127.0.0.1:{self._port}/{name}"

    def drop(self, name: str) -> None:
        """Remove a database, and write down all that is to be written."""
        self.run("dropdb", *self._where(), "--force", name)
        self.run("psql", *self._where(), "-q", "-c", "CHECKPOINT")

    def _where(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres"]
