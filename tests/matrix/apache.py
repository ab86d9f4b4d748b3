"""Apache with mod_wsgi, from Debian's packages, under a configuration of our own."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import sysconfig
from pathlib import Path

MODULES = Path("/usr/lib/apache2/modules")
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

WITH_US = ("setpriv", "--pdeathsig", "TERM")
"""Before a command: the kernel ends it when the process that started it ends, however that does."""

_WORKERS = 32
"""Apache's threads. When none is idle it closes connections that it keeps alive, without saying so before."""

_SITE = """\
ServerRoot "{directory}"
ServerName localhost
DefaultRuntimeDir "{directory}"
PidFile "{directory}/apache.pid"
ErrorLog "{directory}/apache.log"
LogLevel warn
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
{identity}
StartServers 1
ServerLimit 1
ThreadLimit {workers}
ThreadsPerChild {workers}
MaxRequestWorkers {workers}
MinSpareThreads 1
MaxSpareThreads {workers}
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
{mode}
WSGIScriptAlias / "{directory}/site.wsgi"
<Directory "{directory}">
    Require all granted
</Directory>
"""

_EMBEDDED = """\
WSGIPythonPath "{path}"
WSGIApplicationGroup %{{GLOBAL}}"""

_DAEMON = """\
WSGIRestrictEmbedded On
WSGISocketPrefix "{directory}/ws"
WSGIDaemonProcess site processes=1 threads={threads} python-path="{path}" home="{directory}"
WSGIProcessGroup site
WSGIApplicationGroup %{{GLOBAL}}"""


def check_installed() -> None:
    """That Apache can run the packages of this interpreter.

    :raises AssertionError: if it cannot, with what is missing.
    """
    assert shutil.which("apache2", path=PATH), "Apache is not installed: install Debian's package apache2"
    assert (MODULES / "mod_wsgi.so").exists(), "mod_wsgi is not installed: install libapache2-mod-wsgi-py3"
    theirs = os.path.realpath(MODULES / "mod_wsgi.so").rpartition("-")[2]
    ours = "{}.{}".format(*sys.version_info)
    assert theirs == ours, f"mod_wsgi runs Python {theirs} and cannot load the packages of this Python {ours}"


def command(mode: str, app: str, port: int, directory: Path, root: Path, threads: str) -> list[str]:
    """Writes the configuration, and says how to start Apache in the foreground.

    :param mode: "embedded" or "daemon".
    :param directory: where it writes; no longer than a path of a socket may be.
    """
    paths = sysconfig.get_paths()
    values = {
        "directory": directory, "port": port, "modules": MODULES, "workers": _WORKERS, "threads": threads,
        "path": ":".join(dict.fromkeys([str(root), paths["purelib"], paths["platlib"]])),
        "identity": "" if os.geteuid() else "User www-data\nGroup www-data",
    }
    template = _EMBEDDED if mode == "embedded" else _DAEMON
    (directory / "site.conf").write_text(_SITE.format(mode=template.format(**values), **values))
    module, _, attribute = app.partition(":")
    (directory / "site.wsgi").write_text(f"from {module} import {attribute} as application\n")
    executable = shutil.which("apache2", path=PATH) or "apache2"
    return [*as_somebody(), executable, "-f", str(directory / "site.conf"), "-DFOREGROUND"]


def as_somebody() -> list[str]:
    """Apache refuses to serve as root, and www-data may not enter root's directories, where we and the packages may
    lie. So root starts it as www-data, with the one capability it needs to read them."""
    if os.geteuid():
        return [*WITH_US]
    user = pwd.getpwnam("www-data")
    capability = "+dac_override"
    return [*WITH_US, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
            f"--inh-caps={capability}", f"--ambient-caps={capability}"]
