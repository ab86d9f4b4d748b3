"""Uploads that resume: a page with a login, and ``UploadApp``, which takes the bytes.

Two users share the demo, and each sees only their own files. The login is a Flask session in a signed cookie, and
:func:`take_uploads` has rangeware ask it before each request for an upload.

Pages of other sites cannot use the cookie. It is SameSite=Lax, so a browser does not send it with their POST, PATCH and
DELETE requests. A page on another port of this machine counts as the same site; but each request that changes an
upload has a method or a header field (``Tus-Resumable``) for which a browser first asks this server with OPTIONS, and
``cors=()`` never allows it.
"""

from __future__ import annotations

import os
import secrets
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, redirect, render_template, request, session
from werkzeug.wrappers import Response as AnyResponse

from rangeware.uploads import FileStorage, Refused, Upload, UploadApp

from .samples import make_once

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

PAGE = "/uploads"
FILES = f"{PAGE}/files/"
MAX_SIZE = 2 << 30  # bytes of one file
USER_QUOTA = 2 << 30  # bytes of all files of one user
QUOTA = 4 << 30  # bytes of all files
EXPIRES = 24 * 3600.0  # seconds after the last write
USERS = {"ada": "lovelace", "grace": "hopper"}
"""Names and passwords. The page shows them: this is a demo. Your site stores hashes."""

_PLAYED = ("video", "audio", "image")


def make_storage(directory: Path) -> FileStorage:
    """Make the folder for uploads in the folder of the demo's data."""
    return FileStorage(directory / "uploads", quota=QUOTA, user_quota=USER_QUOTA)


def add_pages(app: Flask, storage: FileStorage) -> None:
    """Add the upload page and the login to the Flask app.

    The key that signs the cookies is made once and kept beside the uploads, so a restart logs nobody out.
    """
    key = storage.directory.with_name("cookie.key")
    make_once(key, _write_key)
    app.config.update(SECRET_KEY=key.read_bytes(), SESSION_COOKIE_NAME="rangeware-demo", SESSION_COOKIE_SAMESITE="Lax")
    app.extensions["uploads"] = storage
    pages = Blueprint("uploads", __name__, url_prefix=PAGE)
    pages.before_request(_leave_plain_mount)
    pages.add_url_rule("", "page", show_page)
    pages.add_url_rule("/login", "log_in", log_in, methods=["POST"])
    pages.add_url_rule("/logout", "log_out", log_out, methods=["POST"])
    pages.add_url_rule("/list", "list", list_uploads)
    app.register_blueprint(pages)


def take_uploads(site: WSGIApplication, app: Flask, storage: FileStorage) -> UploadApp:
    """Return the site with rangeware around it, which takes the uploads below ``FILES``.

    :param app: the Flask app, which knows who is logged in.
    """
    uploads = UploadApp(storage, app=site, path=FILES, max_size=MAX_SIZE, expires=EXPIRES,
                        authorize=partial(authorize, app), cors=())
    uploads.clean()
    return uploads


def authorize(app: Flask, environ: WSGIEnvironment, action: str, upload: Upload) -> str:
    """Return the user, who becomes the owner of a new upload. What belongs to others does not exist for them.

    :raises Refused: if nobody is logged in, or the upload is another user's.
    """
    with app.request_context(environ):
        user: str = session.get("user", "")
    if user not in USERS:
        raise Refused(403, "log in first")
    if action != "create" and upload.owner != user:
        raise Refused(404, "no such upload")
    return user


def _write_key(file: BinaryIO) -> None:
    os.fchmod(file.fileno(), 0o600)
    file.write(secrets.token_bytes(32))


def _leave_plain_mount() -> AnyResponse | None:
    root, plain, _ = request.script_root.rpartition("/plain")
    return redirect(root + PAGE) if plain else None


def show_page() -> str:
    """Return the upload page, or the login form to users who are not logged in."""
    return _page()


def log_in() -> str | AnyResponse:
    """Log a user in who knows the password."""
    _refuse_other_sites()
    name = request.form.get("name", "").strip().lower()
    if name not in USERS or request.form.get("password", "").strip() != USERS[name]:
        return _page(error="The name or the password is wrong.")
    session["user"] = name
    return redirect(PAGE, 303)


def log_out() -> AnyResponse:
    """Log the user out."""
    _refuse_other_sites()
    session.clear()
    return redirect(PAGE, 303)


def list_uploads() -> Response | tuple[Response, int]:
    """Return the user's own uploads as JSON, newest first."""
    user = session.get("user")
    if user not in USERS:
        return jsonify(error="Log in first."), 403
    storage: FileStorage = current_app.extensions["uploads"]
    own = [upload for upload in storage.uploads() if upload.owner == user and not _is_expired(upload)]
    own.sort(key=lambda upload: upload.touched, reverse=True)
    response = jsonify(uploads=[_public(upload) for upload in own])
    response.cache_control.no_store = True
    return response


def _page(error: str = "") -> str:
    return render_template("uploads.html", user=session.get("user"), users=USERS, error=error, max_size=MAX_SIZE,
                           files=FILES)


def _refuse_other_sites() -> None:
    """Refuse a form that another page sent, also on another port. Old browsers do not tell."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403)


def _is_expired(upload: Upload) -> bool:
    return not upload.is_complete and upload.touched + EXPIRES < time.time()


def _public(upload: Upload) -> dict[str, Any]:
    """Return what the page needs. All of ``metadata`` is as the browser sent it."""
    kind, _, subtype = upload.metadata.get("filetype", "").partition("/")
    return {
        "url": FILES + upload.id,
        "name": upload.metadata.get("filename") or "without a name",
        "modified": upload.metadata.get("modified", ""),
        "kind": kind if kind in _PLAYED and not subtype.startswith("svg") else "",
        "length": upload.length,
        "offset": upload.offset,
        "complete": upload.is_complete,
    }
