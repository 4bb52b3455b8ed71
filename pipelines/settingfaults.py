"""What no single setting can know: addresses and TLS, tokens, channels that share a listener or a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pipelines.channels import Channel
from pipelines.errors import SettingsError
from pipelines.settings import Http, Settings

__all__ = ["across"]

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def across(settings: Settings) -> Iterator[str]:
    """Every fault of these settings together."""
    if settings.service.production:
        for name, channel in settings.channels.items():
            if set(channel.processing_ids) != {"P"}:
                yield (
                    f"[channels.{name}] processing_ids: T and D never enter a production topic, and an empty list would"
                    " let them in: only P here, or `production = false` in [service] of an installation of their own"
                )
    folders: dict[str, str] = {}
    for name, channel in settings.channels.items():
        other = folders.setdefault(os.path.abspath(channel.folder), name) if channel.folder else name
        if other != name:
            yield f"[channels.{name}] folder: the channel {other} watches it already"
    yield from _tls_faults(settings)
    secure = settings.mllp.tls() is not None
    places = [("[mllp] listen", settings.mllp.listen, settings.mllp.insecure or secure)]
    places += [
        (f"[channels.{name}] listener", channel.listener, settings.mllp.insecure or (secure and channel.listener_tls))
        for name, channel in settings.channels.items()
        if channel.listener
    ]
    places.append(("[dicom] listen", settings.dicom.listen, settings.dicom.insecure))
    places += [
        (f"[channels.{name}] reply_to", channel.reply_to, settings.mllp.insecure or channel.reply_tls)
        for name, channel in settings.channels.items()
        if channel.reply_to
    ]
    places.append(("[http] listen", settings.http.listen, settings.http.insecure))
    for place, address, secured in places:
        yield from (f"{place}: {fault}" for fault in address_faults(address, secured))
    yield from (f"[http] {fault}" for fault in http_faults(settings.http))


def http_faults(http: Http) -> Iterator[str]:
    """What is wrong with the tokens, or with having none. No token is repeated."""
    try:
        tokens = http.all_tokens()
    except SettingsError as error:
        yield f"tokens_file: {error}"
        return
    host = http.listen.rpartition(":")[0].removeprefix("[").removesuffix("]")
    if host not in LOOPBACK and not tokens:
        yield "tokens: none are set, and whoever reaches the address could send: set tokens, or listen on loopback"


def _tls_faults(settings: Settings) -> Iterator[str]:
    mllp = settings.mllp
    if not mllp.tls_certificate:
        for name in ("tls_key", "tls_ca", "tls_crl"):
            if getattr(mllp, name):
                yield f"[mllp] {name}: without `tls_certificate` there is no TLS"
    elif not mllp.tls_ca and mllp.tls_client_required:
        yield (
            "[mllp] tls_ca: who may send? Name the CA of senders' certificates, or say `tls_client_required = false`"
        )
    if mllp.tls_crl and not mllp.tls_ca:
        yield "[mllp] tls_crl: only certificates signed by `tls_ca` can be revoked"
    for listen in settings.listeners():
        on = settings.channels_on(listen)
        if len({channel.listener_tls for channel in on}) > 1:
            yield f"[channels.{on[0].name}] listener_tls: the channels of one listener must agree"
        if len({channel.listener_release for channel in on}) > 1:
            yield f"[channels.{on[0].name}] listener_release: the channels of one listener must agree"
    for name, channel in settings.channels.items():
        for key in ("listener_tls", "listener_release"):
            if not channel.listener and getattr(channel, key) != getattr(Channel(name), key):
                yield f"[channels.{name}] {key}: the channel has no listener of its own"
        tls = settings.tls_on(channel.listener)
        if channel.certificates and (tls is None or not tls.ca):
            yield f"[channels.{name}] certificates: its listener asks for none (tls_certificate, tls_ca in [mllp])"


def address_faults(address: str, secured: bool) -> Iterator[str]:
    """Why an address can't be listened on: its form, or neither loopback nor secured, by TLS or by the user's word."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        yield f"{address!r} is not HOST:PORT"
    elif host not in LOOPBACK and not secured:
        yield (
            f"{address!r} is not loopback, and there is no TLS: patient data would cross the network in clear."
            " If that network is protected otherwise, say `insecure = true` in the same section"
        )
