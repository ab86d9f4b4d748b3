"""The header fields of a request that are not about the file: the caller's own, credentials, and cookies.

What may be secret goes to the origin of the URL that was asked for, and not where a redirect leads. Cookies, and the
entries of a netrc file, go to the hosts that they are for.
"""

from __future__ import annotations

import netrc
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ... import __version__
from ..addresses import Address
from ..options import TransferOptions
from .pool import basic

if TYPE_CHECKING:
    from .cookies import Cookies

_ANY_HOST = "default"  # netrc keeps that entry under this name
HARMLESS = {"accept", "accept-language", "referer", "user-agent"}  # headers that may go to another origin


class OwnFields:
    """The fields for each request of one transfer.

    :param first: the URL asked for. Only its origin gets the user and the password in it.
    :param given: headers that the caller's pool adds to each request.
    :param warn: called with a text for a person.
    :raises InvalidOption: if the file of cookies cannot be read.
    """

    def __init__(
        self, first: Address, options: TransferOptions, given: Mapping[str, str], warn: Callable[[str], object]
    ) -> None:
        self._first = first
        self._given = {name.title(): value for name, value in (*given.items(), *options.headers.items())}
        self._warn = warn
        self._netrc: netrc.netrc | None = None
        self._has_read_netrc = False
        self._cookies = None if options.cookies is None else _cookies(options.cookies)

    def fields(self, address: Address) -> dict[str, str]:
        """The fields for a request to this address."""
        is_own_origin = address.origin == self._first.origin
        fields = {name: value for name, value in self._given.items() if is_own_origin or name.lower() in HARMLESS}
        fields.setdefault("Accept", "*/*")
        fields.setdefault("User-Agent", f"rangeware/{__version__}")
        if "Authorization" not in fields and (userinfo := self._userinfo(address.url, is_own_origin)):
            fields["Authorization"] = basic(userinfo)
        if self._cookies is not None:
            fields["Cookie"] = self._cookies.field(address.url, fields.get("Cookie", ""))
        return {name: value for name, value in fields.items() if value or name != "Cookie"}

    def note_cookies(self, url: str, lines: Iterable[str]) -> None:
        """Keep the cookies that a response sets, for the requests that follow.

        :param lines: the values of its Set-Cookie fields.
        """
        kept = [*lines]
        if kept:
            self._cookies = self._cookies or _cookies(None)
            self._cookies.note(url, kept)

    def _userinfo(self, url: str, is_own_origin: bool) -> str:
        userinfo = self._first.userinfo if is_own_origin else ""
        return userinfo if ":" in userinfo else self._by_netrc(urlsplit(url).hostname or "", userinfo) or userinfo

    def _by_netrc(self, host: str, user: str) -> str:
        """``user:password`` for this host from the user's netrc file; "" if it has none, or of another user.

        An entry ``default`` fits each host. It is meant for the one that was asked for, and not for those that a server
        chooses by a redirect.
        """
        if not self._has_read_netrc:
            self._has_read_netrc = True
            self._netrc = self._read_netrc()
        if self._netrc is None:
            return ""
        is_asked = host == urlsplit(self._first.url).hostname
        is_named = host in self._netrc.hosts and host != _ANY_HOST
        found = self._netrc.authenticators(host) if is_asked or is_named else None
        return f"{found[0]}:{found[2]}" if found and user in ("", found[0]) else ""

    def _read_netrc(self) -> netrc.netrc | None:
        try:
            return netrc.netrc(os.environ.get("NETRC"))
        except FileNotFoundError:
            return None
        except OSError as exc:
            why = exc.strerror or str(exc)
        except UnicodeDecodeError:
            why = "not UTF-8"
        except netrc.NetrcParseError as exc:  # its text may have a password in it, unless it is about the whole file
            why = exc.msg if exc.msg.startswith("~/.netrc ") else f"line {exc.lineno} is malformed"
        self._warn(f"the netrc file is ignored: {why}")
        return None


def _cookies(path: str | os.PathLike[str] | None) -> Cookies:
    from .cookies import Cookies  # takes a while to import, and few servers set any

    return Cookies(path)
