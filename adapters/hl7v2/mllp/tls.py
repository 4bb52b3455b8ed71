"""TLS for MLLP (IHE ITI TF-2 3.19, BCP 195): who we are, whom we trust, what a verified certificate says of its owner.

TLS 1.2 or newer with forward secrecy and authenticated ciphers only. Contexts are made anew from the files at every
reload and are never changed: an open connection keeps what it was made with, a new one gets the new. There is no
session resumption, so that a certificate revoked since can't come back with an old ticket.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.hl7v2.mllp.errors import TlsUnusable

__all__ = ["TlsFiles", "client_context", "names_of", "server_context"]

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"  # of TLS 1.2; those of 1.3 are all of this kind
_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_NAMES = {"DNS": "dns", "URI": "uri", "IP Address": "ip", "email": "email"}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files, '' = none. `ca` signs the peers that we trust, `crl` lists their revoked certificates."""

    certificate: str = ""
    key: str = ""
    ca: str = ""
    crl: str = ""
    minimum: str = "1.2"
    required: bool = True  # of a server: only with a certificate signed by `ca`


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """What a listener shows and asks for. Raises TlsUnusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_own(context, files)
    _strengthen(context, files)
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    if files.ca:
        _trust(context, files)
        context.verify_mode = ssl.CERT_REQUIRED if files.required else ssl.CERT_OPTIONAL
    elif files.required:
        raise TlsUnusable("client certificates are required, but there is no CA that signs them")
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """What a sender shows and asks for: the receiver's certificate and name are always verified. Raises TlsUnusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if files.certificate:
        _load_own(context, files)
    _strengthen(context, files)
    if files.ca:
        _trust(context, files)
    else:
        context.load_default_certs()
    return context


def _load_own(context: ssl.SSLContext, files: TlsFiles) -> None:
    try:
        # a key with a passphrase is refused rather than asked for: a service has nobody to ask
        context.load_cert_chain(files.certificate, files.key or None, password=lambda: "")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise TlsUnusable(f"certificate {files.certificate} or its key: {_reason(error)}") from error


def _trust(context: ssl.SSLContext, files: TlsFiles) -> None:
    for name, path in (("CA", files.ca), ("CRL", files.crl)):
        if path:
            try:
                context.load_verify_locations(cafile=path)
            except (OSError, ValueError) as error:
                raise TlsUnusable(f"{name} {path}: {_reason(error)}") from error
    if files.crl:
        if not context.cert_store_stats()["crl"]:
            raise TlsUnusable(f"CRL {files.crl}: holds no revocation list")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _strengthen(context: ssl.SSLContext, files: TlsFiles) -> None:
    context.minimum_version = _MINIMUM[files.minimum]
    context.set_ciphers(_CIPHERS)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not usable"
    return (error.strerror if isinstance(error, OSError) else None) or "not usable"


def names_of(transport: asyncio.BaseTransport) -> tuple[str, ...]:
    """What the peer's verified certificate says of it; () without TLS or certificate."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return ()
    der = tls.getpeercert(binary_form=True)
    return () if der is None else tuple(_names(der, tls.getpeercert() or {}))


def _names(der: bytes, said: dict[str, object]) -> Iterator[str]:
    yield f"sha256:{hashlib.sha256(der).hexdigest()}"
    for kind, value in _pairs(said.get("subjectAltName", ())):
        if kind in _NAMES:
            yield f"{_NAMES[kind]}:{value}"
    subject = said.get("subject", ())
    for part in subject if isinstance(subject, tuple) else ():
        for kind, value in _pairs(part):
            if kind == "commonName":
                yield f"cn:{value}"


def _pairs(values: object) -> Iterator[tuple[str, str]]:
    for pair in values if isinstance(values, tuple) else ():
        if isinstance(pair, tuple) and len(pair) == 2:
            yield str(pair[0]), str(pair[1])
