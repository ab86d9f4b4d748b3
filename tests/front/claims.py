"""An app that tells whom it takes the client for, in JSON; told to believe the front server as the page tells users."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.util import application_uri

from werkzeug.middleware.proxy_fix import ProxyFix


def tell(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The site and the client after ``ProxyFix``, and the fields that came, for frameworks that read them whole."""
    came = {name: value for name, value in environ.items() if name.startswith("HTTP_X_FORWARDED_")}
    told = {"site": application_uri({**environ, "SCRIPT_NAME": ""}), "client": environ["REMOTE_ADDR"], "came": came}
    start_response("200 OK", [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
    return [json.dumps(told).encode()]


app = ProxyFix(tell, x_for=1, x_proto=1, x_host=1)
