"""Why there is no response, in words for a person, and whether another try could bring one.

``urllib3`` wraps exceptions of the system and of OpenSSL, one in another. What cannot change by itself is permanent: a
certificate, or a server that speaks another protocol. A server that has answered before may be in trouble for a while,
whatever it is.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
from urllib.parse import urlsplit

from urllib3 import exceptions

from ..texts import printable

_NOT_TLS = (
    "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER")
_TLS = {  # by the reason that OpenSSL gives
    "NO_APPLICATION_PROTOCOL": "{host} does not offer HTTP/1.1 over TLS (ALPN)",
    "UNRECOGNIZED_NAME": "{host} has no certificate for this name",
    "CERTIFICATE_REQUIRED": "{host} wants a certificate of the client",
    "PROTOCOL_VERSION": "{host} has no version of TLS in common with this system",
    "UNSUPPORTED_PROTOCOL": "{host} has no version of TLS in common with this system",
    "HANDSHAKE_FAILURE": "{host} cannot agree on a cipher, or wants a certificate of the client",
    "NO_SHARED_CIPHER": "{host} has no cipher in common with this system",
    "DH_KEY_TOO_SMALL": "the encryption of {host} is too weak for this system",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "the encryption of {host} is too old for this system",
    **dict.fromkeys(_NOT_TLS, "{host} does not speak TLS; did you mean http://?"),
}
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})", re.ASCII)
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_UNKNOWN_NAMES = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
# SSH, FTP, SMTP, IMAP, POP, VNC, and the first frame of HTTP/2
_BANNER = re.compile(r"SSH-|220[ -]|\* OK|\+OK|RFB |\x00\x00.\x04\x00", re.DOTALL)
_NOT_HTTP = "{host} does not speak HTTP"
_RECORDS = ("\x15\x03", "\x16\x03")  # the first bytes of an alert, and of a handshake


class RequestFailed(Exception):
    """A request failed, or its response broke off. ``permanent``: True if it would fail again."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


def failure(exc: BaseException, url: str, *, is_known: bool = False) -> RequestFailed:
    """Describe what urllib3 or the system raised while this URL was asked.

    :param is_known: True if its server has answered before, so that nothing about it can be permanent.
    """
    host = urlsplit(url).netloc
    causes = [*_causes(exc)]
    for describe in (_of_tls, _of_proxy, _of_name, _of_protocol, _of_url):
        if said := describe(causes, host):
            return RequestFailed(printable(said), permanent=not is_known)
    return RequestFailed(_passing(causes, host))


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception, and those that are in it, the outermost first."""
    left: list[BaseException] = [exc]
    for _ in range(10):
        if not left:
            return
        cause = left.pop(0)
        yield cause
        of_socks = getattr(cause, "socket_err", None)
        inner = (cause.__cause__ or cause.__context__, *cause.args, of_socks)
        left += [each for each in inner if isinstance(each, BaseException)]


def _of_tls(causes: list[BaseException], host: str) -> str:
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of {host} is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            known = getattr(cause, "reason", None)  # Python does not know each of them
            said = (known or str(cause)).upper().replace(" ", "_")
            for reason, text in _TLS.items():
                if reason in said:
                    return text.format(host=host)
    return ""


def _of_proxy(causes: list[BaseException], host: str) -> str:
    for cause in causes:
        match = _TUNNEL.match(str(cause))
        if match and match[1] == "407":
            return "the proxy wants a user and a password: USER:PASSWORD@ before the host in its URL"
        if match and int(match[1]) not in _PASSING:
            return f"the proxy does not connect to {host}: it answers {match[1]}"
    return ""


def _of_name(causes: list[BaseException], host: str) -> str:
    for cause in causes:
        if isinstance(cause, socket.gaierror) and cause.errno in _UNKNOWN_NAMES:
            return f"there is no host with this name: {_proxy_among(causes, host) or host}"
        if isinstance(cause, UnicodeError):
            return f"not the name of a host: {host[:200]}"
    return ""


def _proxy_among(causes: list[BaseException], host: str) -> str:
    """The name of the proxy, if that is the host that could not be found."""
    named = (getattr(getattr(cause, "conn", None), "host", "") for cause in causes)
    return next((f"{name} (the proxy)" for name in named if name and name != urlsplit(f"//{host}").hostname), "")


def _of_protocol(causes: list[BaseException], host: str) -> str:
    for cause in causes:
        if isinstance(cause, BadStatusLine) and not isinstance(cause, RemoteDisconnected):
            if str(cause).startswith(_RECORDS):
                return f"{host} speaks TLS; did you mean https://?"
            if _BANNER.match(str(cause)):
                return _NOT_HTTP.format(host=host)
    return ""


def _of_url(causes: list[BaseException], host: str) -> str:
    is_malformed = isinstance(causes[0], (exceptions.LocationValueError, exceptions.URLSchemeUnknown))
    return f"not a URL that can be asked: {host}" if is_malformed else ""


def _is_of_proxy(cause: BaseException) -> bool:
    return isinstance(cause, exceptions.ProxyError) or type(cause).__name__ == "ProxyConnectionError"  # of PySocks


def _passing(causes: list[BaseException], host: str) -> str:
    """Describe a failure that may pass."""
    if any(isinstance(cause, IncompleteRead) for cause in causes):
        return "the connection was closed early"
    if any(isinstance(cause, RemoteDisconnected) for cause in causes):
        return "the connection was closed without a response"
    if any(isinstance(cause, BadStatusLine) for cause in causes):
        return _NOT_HTTP.format(host=host)
    where = "the proxy" if any(_is_of_proxy(cause) for cause in causes) else host
    if isinstance(causes[0], (exceptions.ConnectTimeoutError, exceptions.NewConnectionError, exceptions.ProxyError)):
        told = [cause.strerror.lower() for cause in causes if isinstance(cause, OSError) and cause.strerror]
        return f"cannot connect to {where}: {told[-1] if told else 'no answer'}"
    told = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    if told:
        return told[-1].lower()
    if isinstance(causes[0], (exceptions.TimeoutError, TimeoutError)):
        return "nothing received for too long"
    exc = causes[0]
    return printable(str(exc.args[-1] if exc.args else exc).rpartition(": ")[2]) or type(exc).__name__
