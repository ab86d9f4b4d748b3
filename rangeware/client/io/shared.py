"""The things that several downloads at once share: connections, and the names of their files."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import urllib3

from ..errors import DiskError
from ..options import DownloadOptions
from .pool import make_pool, proxy_of

_CONNECTIONS = 32  # to one host that are kept open, at most


class Shared:
    """Connections and names that downloads share. Can be used by several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._owners: dict[str, str] = {}

    def pool(self, url: str, options: DownloadOptions) -> urllib3.PoolManager | None:
        """Return the connections for a URL, which go by way of its proxy; None if ``options`` has its own.

        :param options: their headers, certificates and so on are those of all downloads.
        """
        if options.pool is not None:
            return None
        proxy = proxy_of(url)
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = make_pool(url, replace(options, connections=_CONNECTIONS))
            return self._pools[proxy]

    def claim(self, final: Path, url: str) -> None:
        """Take a name for the file of a URL.

        :raises DiskError: if a download of another URL has taken it: their files would replace each other.
        """
        with self._lock:
            owner = self._owners.setdefault(os.path.abspath(final), url)
        if owner != url:
            advice = "fetch one of them on its own with -o or -d, or both with --same"
            raise DiskError(f"{final} is the name of {owner}, too: {advice}")

    def close(self) -> None:
        """Close the connections."""
        for pool in self._pools.values():
            pool.clear()
