"""Makes the TLS context of a gateway from the files that options name."""

import ssl
from pathlib import Path
from typing import NoReturn

from wxcontacts_async.cli.options.usage import wrong

CA, CLIENT_CERT, INSECURE = "--ca", "--client-cert", "--insecure"

_CERTIFICATES = (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN TRUSTED CERTIFICATE-----")
_KEY = b" PRIVATE KEY-----"  # in PKCS 8 and in each older form


class _EncryptedKeyError(Exception):
    """A key that needs a password."""


def tls_of(
    authorities: str | None,
    certificate: str | None,
    *,
    insecure: bool,
) -> ssl.SSLContext | bool:
    """Return what a Gateway takes as `ssl`; typer.BadParameter if a file or both cannot be used.

    Arguments:
        authorities: A file of certificates in PEM, which are trusted instead of the system's.
        certificate: FILE or FILE:KEY in PEM, the client certificate.
        insecure: Whether any certificate of the gateway is accepted.

    """
    if insecure and authorities is not None:
        raise wrong(INSECURE, f"trusts any certificate, so {CA} says nothing; give one of them")
    if authorities is None and certificate is None:
        return not insecure
    context = ssl.create_default_context() if authorities is None else _trusting(authorities)
    # As aiohttp's own context does.
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        _identify(context, certificate)
    return context


def _trusting(authorities: str) -> ssl.SSLContext:
    _check_certificates(CA, authorities)
    try:
        return ssl.create_default_context(cafile=authorities)
    except (ssl.SSLError, OSError) as error:
        raise _unreadable(CA, authorities, error) from None


def _identify(context: ssl.SSLContext, certificate: str) -> None:
    file, key = _parted(certificate)
    _check_certificates(CLIENT_CERT, file)
    if _KEY not in _content(CLIENT_CERT, key or file):
        what = f"{key or file!r} has no private key in PEM"
        raise wrong(CLIENT_CERT, what if key else f"{what}; give FILE:KEY if it is in another file")
    try:
        context.load_cert_chain(file, key, password=_refuse_password)
    except _EncryptedKeyError:
        what = f"{key or file!r} has an encrypted key; decrypt it into a file of your own first"
        raise wrong(CLIENT_CERT, what) from None
    except (ssl.SSLError, OSError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            what = f"the key in {key or file!r} is not that of the certificate in {file!r}"
            raise wrong(CLIENT_CERT, what) from None
        raise _unreadable(CLIENT_CERT, certificate, error) from None


def _parted(certificate: str) -> tuple[str, str | None]:
    """Split FILE:KEY; an existing FILE may have a colon in its name."""
    if Path(certificate).exists():
        return certificate, None
    pieces = certificate.split(":")
    for number in range(len(pieces) - 1, 0, -1):
        file, key = ":".join(pieces[:number]), ":".join(pieces[number:])
        if file and key and Path(file).exists():
            return file, key
    return certificate, None


def _check_certificates(option: str, file: str) -> None:
    content = _content(option, file)
    if not any(begin in content for begin in _CERTIFICATES):
        raise wrong(option, f"{file!r} has no certificate in PEM")


def _content(option: str, file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise wrong(option, f"{file!r} cannot be read: {what}") from None


def _unreadable(option: str, file: str, error: OSError) -> Exception:
    reason = getattr(error, "reason", None) or error.strerror or error
    return wrong(option, f"{file!r} cannot be used: {reason}")


def _refuse_password() -> NoReturn:
    raise _EncryptedKeyError
