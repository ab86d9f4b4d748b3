"""``--checksums``: a list of digests, in a file or at a URL, that ``sha256sum`` and others have made."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from rangeware.client import checksum_files
from rangeware.client.cli import checksums, command
from tests.client.test_command import CONTENT, DIGEST, Fake, Server, fake, run_get, server

__all__ = ["fake", "server"]

URL = "http://h/a%20b.iso"
of_a_line = checksum_files._untagged
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


def made_by(program: str, folder: Path, *names: str) -> str:
    """What a program of coreutils says about files with the content of the server."""
    for name in names:
        (folder / name).write_bytes(CONTENT)
    said = subprocess.run([program, *names], cwd=folder, capture_output=True, text=True, check=True).stdout
    for name in names:
        (folder / name).unlink()
    return said


@pytest.mark.parametrize(("program", "algorithm"), [
    ("sha256sum", "sha256"), ("md5sum", "md5"), ("sha1sum", "sha1"), ("sha512sum", "sha512"),
])
def test_a_list_of_coreutils(program: str, algorithm: str, server: Server, tmp_path: Path) -> None:
    (tmp_path / "SUMS").write_text(made_by(program, tmp_path, "x.iso", "y.iso"))
    done = run_get("--checksums", "SUMS", server.url("/x.iso?q"), server.url("/y.iso"), cwd=tmp_path)
    assert (done.returncode, done.stderr.count(f", {algorithm} checked\n")) == (0, 2)


def test_each_file_has_its_own_digest(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "SUMS").write_text(f"{DIGEST}  a b.iso\n{MD5} *dir/c.iso\n")
    words = ["--checksums", str(tmp_path / "SUMS"), URL, "http://h/c.iso"]
    assert command.main(["get", "-q", *words]) == 0
    assert [options["checksum"] for _, _, options in fake.calls] == [f"sha256:{DIGEST}", f"md5:{MD5}"]


def test_the_list_is_taken_apart_once_for_all_files(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []

    def noting(line: str) -> object:
        lines.append(line)
        return of_a_line(line)

    monkeypatch.setattr(checksum_files, "_untagged", noting)
    (tmp_path / "SUMS").write_text("".join(f"{number:064x}  {number}.iso\n" for number in range(50)))
    urls = [f"http://h/{number}.iso" for number in range(50)]
    assert command.main(["get", "-q", "--checksums", str(tmp_path / "SUMS"), *urls]) == 0
    assert [options["checksum"] for _, _, options in fake.calls] == [f"sha256:{number:064x}" for number in range(50)]
    assert len(lines) == 50


def test_the_name_that_the_file_is_to_have(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "SUMS").write_text(f"{DIGEST}  mine.iso\n{MD5}  other\n")
    assert command.main(["get", "-q", "--checksums", str(tmp_path / "SUMS"), "-o", "d/mine.iso", "http://h/?id=1"]) == 0
    assert fake.calls[0][2]["checksum"] == f"sha256:{DIGEST}"


WRONG = [  # list -> what the line says
    (f"{DIGEST}  c.iso\n{MD5}  d.iso\n", "SUMS has no digest of a b.iso"),
    ("", "SUMS has no digest of a b.iso"),
    ("<html><h1>404</h1></html>", "SUMS has no digest of a b.iso"),
    (f"{DIGEST}  a b.iso\n{'0' * 64}  a b.iso\n", "SUMS: "),
    (None, "cannot read --checksums SUMS: No such file or directory"),
]


@pytest.mark.parametrize(("listed", "text"), WRONG)
def test_wrong_use(
    listed: str | None, text: str, fake: Fake, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if listed is not None:
        (here / "SUMS").write_text(listed)
    assert command.main(["get", "--checksums", "SUMS", URL]) == 1
    err = capsys.readouterr().err
    assert text in err
    assert err.startswith("rangeware: ")
    assert err.endswith("(see: rangeware get --help)\n")
    assert fake.calls == []


def test_a_wrong_digest_is_found(server: Server, tmp_path: Path) -> None:
    (tmp_path / "SUMS").write_text(f"{'0' * 64}  x.iso\n")
    assert run_get("--checksums", "SUMS", server.url("/x.iso"), cwd=tmp_path).returncode == 4
    assert not (tmp_path / "x.iso").exists()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_list_at_a_url(server: Server, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.texts["/SUMS"] = f"{DIGEST}  x.iso\n".encode()
    assert command.main(["get", "--checksums", server.url("/SUMS"), server.url("/x.iso")]) == 0
    assert capsys.readouterr().err.count("sha256 checked") == 1
    assert [path.name for path in here.iterdir()] == ["x.iso"]


def test_a_list_that_is_not_there(server: Server, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["get", "--checksums", server.url("/gone"), server.url("/x.iso")]) == 2
    assert "404" in capsys.readouterr().err
    assert [*here.iterdir()] == []
    assert server.asked == []


def test_a_list_without_end(
    server: Server, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checksums, "_MOST", 1000)
    assert command.main(["get", "--checksums", server.url("/big"), server.url("/x.iso")]) == 1
    assert "is no list of digests" in capsys.readouterr().err
    assert [*here.iterdir()] == []


@pytest.mark.parametrize(("listed", "is_sent"), [
    ("http://h/SUMS", True), ("http://H:80/SUMS", False), ("http://evil/SUMS", False), ("https://h/SUMS", False),
])
def test_secrets_go_to_the_host_of_the_files_only(
    listed: str, is_sent: bool, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []

    def download(url: str, path: str, **options: object) -> None:
        assert (url, options.pop("timeout")) == (listed, 9.0)
        seen.append(options.get("headers", {}))  # type: ignore[arg-type]
        Path(path).write_text(DIGEST)

    monkeypatch.setattr("rangeware.client.download", download, raising=False)
    words = ["-q", "-H", "Authorization: secret", "--timeout", "9", "--force", "--checksums", listed, URL]
    assert command.main(["get", *words]) == 0
    assert seen == [{"Authorization": "secret"} if is_sent else {}]
