from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import ssl
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from datetime import datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from solid.data.ingest import ingest
from solid.errors import DataError
from solid.settings.schema import DataSettings
from solid.storage.local import partial_of
from solid.storage.outputs import upload_when_done
from solid.storage.s3 import client

FILES = {
    "a.inter": b"user_id:token\titem_id:token\ttimestamp:float\nu\ti\t1\nu\tj\t2\n",
    "images/i.png": b"\x89PNG",
}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def check(out: Path, source: str, files: dict[str, bytes] = FILES) -> None:
    """The raw folder holds the files and a manifest that tells the truth about them."""
    found = contents(out)
    manifest = json.loads(found.pop("manifest.json"))
    assert found == files
    md5s = {name: hashlib.md5(files[name]).hexdigest() for name in sorted(files)}
    listing = json.dumps([{"md5": md5, "relpath": name} for name, md5 in md5s.items()])
    digest = hashlib.md5(listing.encode()).hexdigest() + ".dir"
    origin = source if "://" in source else Path(source).name  # no path of this machine
    assert manifest == {"source": origin, "format": "recbole", "order": "time", "digest": digest, "files": md5s}
    assert not partial_of(out).exists()


# folders


def test_a_folder_is_copied_without_hidden_files_and_an_older_manifest(tmp_path: Path) -> None:
    extra = {".gitignore": b"x", "sub/.cache/x": b"x", "manifest.json": b"{}"}
    source = write(tmp_path / "source", FILES | extra)
    ingest(tmp_path / "raw", DataSettings(source=str(source)))
    check(tmp_path / "raw", str(source))


def test_what_was_ingested_can_be_ingested_again_with_the_same_digest(tmp_path: Path) -> None:
    ingest(tmp_path / "one", DataSettings(source=str(write(tmp_path / "source", FILES))))
    ingest(tmp_path / "two", DataSettings(source=str(tmp_path / "one")))
    check(tmp_path / "two", str(tmp_path / "one"))


def test_a_failed_ingest_leaves_the_older_output_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "raw"
    ingest(out, DataSettings(source=str(write(tmp_path / "source", FILES))))
    with pytest.raises(DataError, match=r"nowhere: no such folder; set data\.source"):
        ingest(out, DataSettings(source=str(tmp_path / "nowhere")))
    with pytest.raises(DataError, match=r"bad: no reader recognises these files"):
        ingest(out, DataSettings(source=str(write(tmp_path / "bad", {"readme.md": b"hello"}))))
    check(out, str(tmp_path / "source"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("empty", "holds no files"),
        ("ftp://u:secret@host/x", r"ftp://host/x: give a folder, or an https://"),
        ("https://[::1/x", "data.source is not an address"),
    ],
)
def test_a_source_that_cannot_be_is_refused(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        ingest(tmp_path / "raw", DataSettings(source=str(tmp_path / source) if source == "empty" else source))
    assert not (tmp_path / "raw").exists()


def test_a_source_around_the_output_is_refused_before_a_file_is_touched(tmp_path: Path) -> None:
    source = write(tmp_path / "source", FILES)
    for out in (source, source / "raw", tmp_path):
        with pytest.raises(DataError, match="overlaps the output"):
            ingest(out, DataSettings(source=str(source)))
    assert {name: content for name, content in contents(source).items() if "partial" not in name} == FILES


# archives


@pytest.mark.parametrize(("name", "pack"), [("x.zip", zipped), ("x.tar.gz", tarred)])
def test_an_archive_is_unpacked(tmp_path: Path, name: str, pack: Any) -> None:
    source = write(tmp_path, {name: pack(FILES | {"__MACOSX/._a": b"", ".DS_Store": b""})}) / name
    ingest(tmp_path / "raw", DataSettings(source=str(source)))
    check(tmp_path / "raw", str(source))


@pytest.mark.parametrize("member", ["../evil", "/tmp/evil-absolute", "a/../../evil"])
@pytest.mark.parametrize(("name", "pack"), [("x.zip", zipped), ("x.tar.gz", tarred)])
def test_an_archive_cannot_write_outside(tmp_path: Path, name: str, pack: Any, member: str) -> None:
    source = write(tmp_path / "s", {name: pack({**FILES, member: b"!"})}) / name
    with pytest.raises(DataError, match="outside its folder"):
        ingest(tmp_path / "raw", DataSettings(source=str(source)))
    assert [p.name for p in tmp_path.iterdir()] == ["s"]
    assert not Path("/tmp/evil-absolute").exists()


def test_a_link_out_of_a_tar_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        link = tarfile.TarInfo("a.inter")
        link.type, link.linkname = tarfile.SYMTYPE, "../../secret"
        archive.addfile(link)
    source = write(tmp_path / "s", {"x.tar.gz": stream.getvalue()}) / "x.tar.gz"
    with pytest.raises(DataError, match=r"x\.tar\.gz: '.*' is a link or a device"):
        ingest(tmp_path / "raw", DataSettings(source=str(source)))


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_a_damaged_archive_is_an_error(tmp_path: Path, name: str) -> None:
    source = write(tmp_path, {name: b"not an archive"}) / name
    with pytest.raises(DataError, match="not unpacked"):
        ingest(tmp_path / "raw", DataSettings(source=str(source)))


# http and https


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder; /closed needs a login, /cut breaks off, /moved leads to another host."""

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        seen: list[tuple[str, str | None]] = self.server.seen  # type: ignore[attr-defined]
        seen.append((self.path, self.headers.get("Authorization")))
        if self.path.startswith("/closed/") and self.headers.get("Authorization") != LOGIN:
            self.send_error(401)
        elif self.path == "/moved/a.inter":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/a.inter")  # type: ignore[attr-defined]
            self.end_headers()
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"short")
        else:
            self.path = self.path.removeprefix("/closed")
            super().do_GET()


LOGIN = "Basic " + base64.b64encode(b"me@home:s3cret").decode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    archive = {"x.zip": zipped(FILES), "x.tar.gz": tarred(FILES)}
    folder = write(tmp_path / "www", {"a.inter": FILES["a.inter"]} | archive)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as http:
        http.seen = []  # type: ignore[attr-defined]
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield http
        http.shutdown()


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_an_archive_comes_by_http_and_the_token_stays_out(tmp_path: Path, server: Any, name: str) -> None:
    address = f"http://127.0.0.1:{server.server_port}/{name}"
    ingest(tmp_path / "raw", DataSettings(source=address + "?token=s3cret#x"))
    check(tmp_path / "raw", address)
    assert server.seen == [(f"/{name}?token=s3cret", None)]


def test_a_login_is_used_and_kept_secret(tmp_path: Path, server: Any) -> None:
    place = f"127.0.0.1:{server.server_port}/closed/a.inter"
    ingest(tmp_path / "raw", DataSettings(source=f"http://me%40home:s3cret@{place}"))
    check(tmp_path / "raw", f"http://{place}", {"a.inter": FILES["a.inter"]})
    with pytest.raises(DataError, match="answers 401") as error:
        ingest(tmp_path / "raw", DataSettings(source=f"http://me:wr0ng@{place}"))
    assert "wr0ng" not in str(error.value)


def test_a_login_is_not_sent_on_to_another_host(tmp_path: Path, server: Any) -> None:
    ingest(
        tmp_path / "raw", DataSettings(source=f"http://me%40home:s3cret@127.0.0.1:{server.server_port}/moved/a.inter")
    )
    assert server.seen == [("/moved/a.inter", LOGIN), ("/a.inter", None)]


def test_http_errors_are_told(tmp_path: Path, server: Any) -> None:
    address = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(DataError, match=f"^{address}/none: the server answers 404"):
        ingest(tmp_path / "raw", DataSettings(source=address + "/none"))
    with pytest.raises(DataError, match="only 5 of 100 bytes"):
        ingest(tmp_path / "raw", DataSettings(source=address + "/cut"))
    with pytest.raises(DataError, match=r"Connection refused; check address and network"):
        ingest(tmp_path / "raw", DataSettings(source="http://127.0.0.1:1/x"))
    assert not (tmp_path / "raw").exists()
    assert not partial_of(tmp_path / "raw").exists()


def test_https_is_checked_against_the_trusted_certificates(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    address = f"https://127.0.0.1:{server.server_port}/x.zip"
    with pytest.raises(DataError, match="certificate verify failed"):
        ingest(tmp_path / "raw", DataSettings(source=address))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    ingest(tmp_path / "raw", DataSettings(source=address))
    check(tmp_path / "raw", address)


def self_signed(folder: Path) -> Path:
    x509 = pytest.importorskip("cryptography.x509", reason="no cryptography to make a certificate with")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, datetime(2020, 1, 1), datetime(2100, 1, 1))
    host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(host, critical=False).sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
    return path


# S3


@pytest.mark.s3
def test_a_prefix_comes_from_s3_page_by_page(tmp_path: Path, s3: Any) -> None:
    many = FILES | {f"images/{number}.png": b"%d" % number for number in range(1100)}  # a page has 1,000
    for name, content in (many | {".hidden": b"x", "manifest.json": b"{}", "folder/": b""}).items():
        s3.put_object(Bucket="solid", Key=f"in/data/{name}", Body=content)
    s3.put_object(Bucket="solid", Key="in/data-of-another/b.inter", Body=b"x")
    ingest(tmp_path / "raw", DataSettings(source="s3://solid/in/data/"))
    check(tmp_path / "raw", "s3://solid/in/data/", many)


@pytest.mark.s3
def test_one_archive_comes_from_s3(tmp_path: Path, s3: Any) -> None:
    s3.put_object(Bucket="solid", Key="in/one/x.zip", Body=zipped(FILES))
    ingest(tmp_path / "raw", DataSettings(source="s3://solid/in/one/x.zip"))
    check(tmp_path / "raw", "s3://solid/in/one/x.zip")


@pytest.mark.s3
def test_the_output_of_a_step_comes_from_s3_as_it_was_written(tmp_path: Path, s3: Any) -> None:
    with upload_when_done("s3://solid/in/written", "sample") as folder:
        write(folder, FILES | {"manifest.json": b"{}"})
    ingest(tmp_path / "raw", DataSettings(source="s3://solid/in/written"))
    check(tmp_path / "raw", "s3://solid/in/written")


@pytest.mark.s3
def test_s3_errors_are_told(tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="s3://solid/none: no object there"):
        ingest(tmp_path / "raw", DataSettings(source="s3://solid/none"))
    with pytest.raises(DataError, match="NoSuchBucket"):
        ingest(tmp_path / "raw", DataSettings(source="s3://nobucket/x"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    client.cache_clear()
    with pytest.raises(DataError, match=r"SignatureDoesNotMatch.*check AWS_SECRET_ACCESS_KEY"):
        ingest(tmp_path / "raw", DataSettings(source="s3://solid/in"))
    assert not (tmp_path / "raw").exists()


# real data


def test_real_data_is_recognised(tmp_path: Path, real_data: Path) -> None:
    formats = {
        "amazon_scientific_mm_subset": "unisrec",
        "amazon_instruments_mm": "unisrec",
        "movielens_100k": "recbole",
        "amazon_grocery_timestamps": "csv",
        "douban_book": "douban",
    }
    for name, expected in formats.items():
        ingest(tmp_path / name, DataSettings(source=str(real_data / name)))
        assert json.loads((tmp_path / name / "manifest.json").read_text())["format"] == expected
