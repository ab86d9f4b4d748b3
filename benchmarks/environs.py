"""The environ of an in-process request. Needs gunicorn only, whose ``wsgi.file_wrapper`` the apps get."""

from __future__ import annotations

import io
import sys
from typing import Any

from gunicorn.http.wsgi import FileWrapper

Environ = dict[str, Any]


def environ_of(range_field: str | None = None) -> Environ:
    """Return the environ that gunicorn makes of a browser's request, with this Range header."""
    fields = {} if range_field is None else {"HTTP_RANGE": range_field}
    return {
        "wsgi.errors": sys.stderr, "wsgi.version": (1, 0), "wsgi.multithread": False, "wsgi.multiprocess": False,
        "wsgi.run_once": False, "wsgi.file_wrapper": FileWrapper, "wsgi.input_terminated": True,
        "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http", "SERVER_SOFTWARE": "gunicorn", "gunicorn.socket": None,
        "REQUEST_METHOD": "GET", "QUERY_STRING": "page=2", "RAW_URI": "/items?page=2", "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8000", "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0",
        "HTTP_ACCEPT": "*/*", "HTTP_ACCEPT_LANGUAGE": "en", "HTTP_ACCEPT_ENCODING": "gzip, br",
        "HTTP_REFERER": "http://127.0.0.1:8000/", "HTTP_COOKIE": "session=c2Vzc2lvbg", "HTTP_CONNECTION": "keep-alive",
        "HTTP_SEC_FETCH_MODE": "cors", "HTTP_PRIORITY": "u=4", "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "51234",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "PATH_INFO": "/items", "SCRIPT_NAME": "",
    } | fields
