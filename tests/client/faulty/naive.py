"""The client that everybody copies: appends whatever comes to a Range request. It shows that the faults are faults."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path


class NetworkError(Exception):
    """No progress any more."""

    exit_code = 2
    kept = "what came so far"


def naive_download(url: str, path: Path, *, tries: int = 6, timeout: float = 1.0, **_: object) -> None:
    """Appends to ``path.part`` until as much has come as the first answer said."""
    part = path.with_name(path.name + ".part")
    part.touch()
    failures = 0
    while failures < tries:
        request = urllib.request.Request(url, headers={"Range": f"bytes={part.stat().st_size}-"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer, part.open("ab") as file:
                length = answer.headers["Content-Length"]
                wanted = file.tell() + int(length) if length else None
                while block := answer.read(65536):
                    file.write(block)
                    failures = 0
            if wanted is None or part.stat().st_size >= wanted:
                os.replace(part, path)
                return
        except (OSError, http.client.HTTPException, urllib.error.HTTPError):
            pass
        failures += 1
    raise NetworkError
