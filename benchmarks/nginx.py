"""nginx with one process and no log, for files and as a proxy."""

from __future__ import annotations

import shutil
from pathlib import Path

PROGRAM = shutil.which("nginx") or "/usr/sbin/nginx"

_CONFIGURATION = """
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
{user}
events {{}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush off;
    keepalive_requests 1000000000;
    default_type application/octet-stream;
    client_body_temp_path {directory}/client_body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""


def command(port: int, directory: Path, locations: str) -> list[str]:
    """Return the command that runs nginx on this port.

    :param directory: for its configuration and whatever it writes.
    :param locations: what stands inside ``server``.
    """
    user = "user root;" if directory.owner() == "root" else ""
    file = directory / "nginx.conf"
    file.write_text(_CONFIGURATION.format(directory=directory, port=port, locations=locations, user=user))
    return [PROGRAM, "-p", str(directory), "-c", str(file)]
