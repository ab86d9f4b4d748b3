"""Runs one server until it is ended: ``python -m tests.matrix.run_server NAME package.module:attribute NUMBER``.

The number is the descriptor of a listening socket; for a server that takes none, the port to listen on.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

THREADS = 8
App = Callable[..., Any]


def _load(name: str) -> App:
    module, _, attribute = name.partition(":")
    app: App = getattr(importlib.import_module(module), attribute)
    return app


def waitress(name: str, descriptor: int) -> None:
    import waitress

    waitress.serve(_load(name), sockets=[socket.socket(fileno=descriptor)], threads=THREADS)


def cheroot(name: str, descriptor: int) -> None:
    from cheroot.wsgi import Server

    os.dup2(descriptor, 3)  # as systemd hands over a socket
    os.environ["LISTEN_PID"] = str(os.getpid())
    Server(("127.0.0.1", 0), _load(name), numthreads=THREADS, max=THREADS, timeout=60).start()


def gevent(name: str, descriptor: int) -> None:
    from gevent import monkey
    monkey.patch_all()
    from gevent.pywsgi import WSGIServer

    WSGIServer(socket.socket(fileno=descriptor), _load(name), log=None).serve_forever()


def bjoern(name: str, descriptor: int) -> None:
    import bjoern

    bjoern.server_run(socket.socket(fileno=descriptor), _load(name))


def wsgiref(name: str, descriptor: int) -> None:
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

    server = WSGIServer(("127.0.0.1", 0), WSGIRequestHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=descriptor)
    server.server_name, server.server_port = server.socket.getsockname()
    server.setup_environ()
    server.set_app(_load(name))
    server.serve_forever()


def werkzeug(name: str, descriptor: int) -> None:
    from werkzeug.serving import make_server

    make_server("127.0.0.1", 0, _load(name), threaded=True, fd=descriptor).serve_forever()


def eventlet(name: str, descriptor: int) -> None:
    import eventlet.wsgi
    eventlet.monkey_patch()

    listening = eventlet.green.socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM)
    eventlet.wsgi.server(listening, _load(name), log_output=True, socket_timeout=60)


def twisted(name: str, descriptor: int) -> None:
    from twisted.internet import reactor
    from twisted.python import log
    from twisted.web.server import Site
    from twisted.web.wsgi import WSGIResource

    log.startLogging(sys.stderr, setStdout=False)
    running: Any = reactor
    running.suggestThreadPoolSize(THREADS)
    os.set_blocking(descriptor, False)
    resource = WSGIResource(running, running.getThreadPool(), _load(name))
    running.adoptStreamPort(descriptor, socket.AF_INET, Site(resource))
    running.run()


def a2wsgi(name: str, descriptor: int) -> None:
    import uvicorn
    from a2wsgi import WSGIMiddleware

    app: Any = WSGIMiddleware(_load(name), workers=THREADS)
    config = uvicorn.Config(app, http="h11", timeout_keep_alive=60, access_log=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def uvicorn(name: str, descriptor: int) -> None:
    import uvicorn

    config = uvicorn.Config(_load(name), http=sys.argv[1].partition("-")[2], loop="asyncio", timeout_keep_alive=60,
                            access_log=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def rocket3(name: str, port: int) -> None:
    from rocket3 import Rocket3

    Rocket3(("127.0.0.1", port), "wsgi", {"wsgi_app": _load(name)}, min_threads=THREADS, max_threads=THREADS).start()


_RUN = {runner.__name__: runner for runner in (
    waitress, cheroot, gevent, bjoern, wsgiref, werkzeug, eventlet, twisted, a2wsgi, uvicorn, rocket3)}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    _RUN[sys.argv[1].partition("-")[0]](sys.argv[2], int(sys.argv[3]))
