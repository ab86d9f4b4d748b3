"""The demo's uploads without a browser: the login, whose files are whose, the list, and ranges of a finished file."""

import base64
import io
import os
import stat
import time

import pytest
from werkzeug.test import Client

from demo_flask import create_site, samples
from demo_flask.uploads import EXPIRES, FILES, MAX_SIZE, USER_QUOTA, USERS

CONTENT = bytes(range(256)) * 40
LENGTH = len(CONTENT)
OFFSET_TYPE = "application/offset+octet-stream"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return samples.prepare(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def site(made, tmp_path):
    return create_site(("127.0.0.1", 1), made, tmp_path)


def logged_in(site, name):
    client = Client(site)
    assert client.post("/uploads/login", data={"name": name, "password": USERS[name]}).status_code == 303
    return client


@pytest.fixture
def ada(site):
    return logged_in(site, "ada")


@pytest.fixture
def grace(site):
    return logged_in(site, "grace")


def tus(client, method, url, content=b"", **fields):
    fields = {name.replace("_", "-"): str(value) for name, value in fields.items()}
    headers = {"Tus-Resumable": "1.0.0", **fields}
    kind = OFFSET_TYPE if content or method == "PATCH" else None
    return client.open(url, method=method, headers=headers, input_stream=io.BytesIO(content), content_type=kind,
                       content_length=len(content))


def create(client, length=LENGTH, content=b"", **metadata):
    text = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
    return tus(client, "POST", FILES, content, Upload_Length=length, Upload_Metadata=text)


def upload(client, **metadata):
    """Upload the content, and return its address."""
    answer = create(client, content=CONTENT, **metadata)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(LENGTH))
    return answer.headers["Location"]


def listed(client):
    answer = client.get("/uploads/list")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    return answer.json["uploads"]


# --- The login --------------------------------------------------------------------------------------------------------

def test_page_shows_a_login_form_with_the_passwords(site):
    page = Client(site).get("/uploads").text
    assert "uploads.js" not in page
    for name, password in USERS.items():
        assert name in page
        assert password in page


def test_page_is_there_after_the_login(ada):
    answer = ada.get("/uploads")
    assert "Logged in as <b>ada</b>" in answer.text
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'"
    assert 'href="/uploads"' in ada.get("/").text


def test_cookie_is_kept_from_scripts_and_other_sites(site):
    answer = Client(site).post("/uploads/login", data={"name": " Ada ", "password": "lovelace"})
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(("name", "password"), [("ada", "hopper"), ("ada", ""), ("eve", "lovelace"), ("", "")])
def test_wrong_password_does_not_log_in(site, name, password):
    client = Client(site)
    answer = client.post("/uploads/login", data={"name": name, "password": password})
    assert "is wrong" in answer.text
    assert client.get("/uploads/list").status_code == 403


@pytest.mark.parametrize("origin", ["cross-site", "same-site"])
def test_form_of_another_page_does_not_log_in(site, origin):
    data = {"name": "ada", "password": "lovelace"}
    answer = Client(site).post("/uploads/login", data=data, headers={"Sec-Fetch-Site": origin})
    assert (answer.status_code, answer.headers.get("Set-Cookie")) == (403, None)


def test_logged_out_user_sees_nothing(ada):
    url = upload(ada)
    assert ada.post("/uploads/logout").status_code == 303
    assert (ada.get("/uploads/list").status_code, ada.get(url).status_code) == (403, 403)
    assert "Log in" in ada.get("/uploads").text


def test_login_outlasts_a_restart(ada, made, tmp_path):
    assert stat.S_IMODE((tmp_path / "cookie.key").stat().st_mode) == 0o600
    again = Client(create_site(("127.0.0.1", 1), made, tmp_path))
    again.set_cookie("rangeware-demo", ada.get_cookie("rangeware-demo").value)
    assert listed(again) == []


def test_forged_cookie_is_worth_nothing(site, made, tmp_path_factory):
    other = logged_in(create_site(("127.0.0.1", 1), made, tmp_path_factory.mktemp("other")), "ada")
    client = Client(site)
    client.set_cookie("rangeware-demo", other.get_cookie("rangeware-demo").value)
    assert client.get("/uploads/list").status_code == 403


def test_plain_mount_leads_to_the_page(ada):
    answer = ada.get("/plain/uploads/list", follow_redirects=True)
    assert (answer.request.path, answer.status_code) == ("/uploads", 200)


# --- Uploads ----------------------------------------------------------------------------------------------------------

def test_upload_goes_on_after_a_restart(ada, made, tmp_path):
    url = create(ada, content=CONTENT[:100], filename="a.bin", modified="17").headers["Location"]
    assert listed(ada) == [{"url": url, "name": "a.bin", "modified": "17", "kind": "", "length": LENGTH,
                            "offset": 100, "complete": False}]
    again = logged_in(create_site(("127.0.0.1", 1), made, tmp_path), "ada")
    assert tus(again, "HEAD", url).headers["Upload-Offset"] == "100"
    assert tus(again, "PATCH", url, CONTENT[100:], Upload_Offset=100).status_code == 204
    assert [each["complete"] for each in listed(again)] == [True]
    assert again.get(url).data == CONTENT


def test_ranges_of_a_finished_file(ada):
    url = upload(ada, filename="film.mp4", filetype="video/mp4")
    answer = ada.get(url, headers={"Range": "bytes=256-511"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (206, f"bytes 256-511/{LENGTH}")
    assert (answer.data, answer.mimetype) == (bytes(range(256)), "video/mp4")
    whole = ada.get(url)
    assert (whole.status_code, whole.data, whole.headers["Accept-Ranges"]) == (200, CONTENT, "bytes")


@pytest.mark.each
@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("is_finished", [True, False])
def test_upload_of_another_user_is_not_there(ada, grace, method, is_finished):
    url = upload(ada) if is_finished else create(ada).headers["Location"]
    unknown = f"{FILES}{'0' * 32}"
    there, not_there = (tus(grace, method, each, b"x" if method == "PATCH" else b"", Upload_Offset=0)
                        for each in (url, unknown))
    assert there.status_code == not_there.status_code == 404
    assert (there.data, sorted(there.headers)) == (not_there.data, sorted(not_there.headers))
    assert grace.get(url).status_code == 404
    assert listed(grace) == []
    assert len(listed(ada)) == 1


def test_parts_of_another_user_cannot_be_joined(ada, grace):
    part = tus(ada, "POST", FILES, b"secret", Upload_Length=6, Upload_Concat="partial").headers["Location"]
    assert tus(grace, "POST", FILES, Upload_Concat=f"final;{part}").status_code == 404
    assert listed(grace) == []


def test_nobody_uploads_without_a_login(site):
    assert create(Client(site)).status_code == 403
    assert Client(site).options(FILES).status_code == 204


def test_no_page_of_another_origin_is_allowed(ada):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
    answer = ada.options(FILES, headers=headers)
    assert [name for name, _ in answer.headers if name.startswith("Access-Control-")] == []


def test_limits(ada):
    assert create(ada, length=MAX_SIZE + 1).status_code == 413
    assert create(ada, length=USER_QUOTA - 100, content=b"x").status_code == 201
    assert create(ada, length=101).status_code == 507


@pytest.mark.parametrize(("filetype", "kind"), [
    ("video/mp4", "video"), ("audio/wav", "audio"), ("image/png", "image"), ("image/svg+xml", ""), ("text/html", ""),
    ("video", "video"), ("", ""),
])
def test_players_are_for_what_a_browser_plays(ada, filetype, kind):
    upload(ada, filetype=filetype)
    assert [each["kind"] for each in listed(ada)] == [kind]


def test_page_that_was_uploaded_is_not_run(ada):
    answer = ada.get(upload(ada, filename="a.html", filetype="text/html"))
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.mimetype == "application/octet-stream"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_expired_upload_is_gone_at_the_next_start(ada, made, tmp_path):
    url = create(ada).headers["Location"]
    kept = upload(ada)
    long_ago = time.time() - EXPIRES - 10
    for path in (tmp_path / "uploads").iterdir():
        os.utime(path, (long_ago, long_ago))
    assert [each["url"] for each in listed(ada)] == [kept]
    create_site(("127.0.0.1", 1), made, tmp_path)
    assert not (tmp_path / "uploads" / f"{url[-32:]}.data").exists()
    assert ada.get(kept).data == CONTENT
