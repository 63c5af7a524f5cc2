"""Certificates of the tests' own authority, as files for servers and as contexts for clients."""

import ssl
from pathlib import Path

import msgspec
import trustme


class ServerCertificate(msgspec.Struct, frozen=True):
    """A server's certificate.

    Attributes:
        pem: Its key and its chain, in one file, as HAProxy wants it and others take it.
        authority: Who issued it, and the clients' certificates.

    """

    pem: Path
    authority: Path


class Certificates:
    """An authority, and what it has issued, in a folder.

    Arguments:
        folder: Where the files are to be.

    """

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        folder.chmod(0o755)
        self.server = ServerCertificate(folder / "server.pem", folder / "authority.pem")
        self._client = folder / "client.pem"
        authority.cert_pem.write_to_path(str(self.server.authority))
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.server.pem))
        issued = authority.issue_cert("crm@example.org")
        issued.private_key_and_cert_chain_pem.write_to_path(str(self._client))

    def trusting(self) -> ssl.SSLContext:
        """Make a client's context that trusts the authority."""
        return ssl.create_default_context(cafile=str(self.server.authority))

    def identified(self) -> ssl.SSLContext:
        """Make a client's context that has a certificate of its own, too."""
        context = self.trusting()
        context.load_cert_chain(self._client)
        return context
