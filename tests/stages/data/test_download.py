"""Downloads, against a file server on this machine: whole and checked, or a clear refusal with nothing left behind."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.data.cifar import CIFAR10
from stages.data.download import CACHE_VARIABLE, RemoteFile, cache_folder, fetch, fetch_and_unpack, unpack
from stages.data.idx import MNIST
from stages.data.tiny_imagenet import TinyImageNet
from targets.errors import ConfigurationError
from tests.stages.data.synthetic import write_cifar10_binary, write_mnist, write_tiny_imagenet


class Server:
    """Files of a folder over HTTP; those named `cut...` break off half way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        server = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                server.requests.append(self.path)
                if not self.path.startswith("/cut"):
                    return super().do_GET()
                content = (folder / self.path[1:]).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                return None

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self._http.server_port}/"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def offer(self, name: str, content: bytes) -> RemoteFile:
        (self.folder / name).write_bytes(content)
        return RemoteFile(self.url + name, md5(content))


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    running = Server(tmp_path / "served")
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path / "cache"


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def test_a_file_is_downloaded_once(server: Server, cache: Path) -> None:
    remote = server.offer("data.gz", b"content" * 1000)
    for _ in range(2):
        path = fetch("mnist", remote, cache)
        assert path == cache / "data.gz"
        assert path.read_bytes() == b"content" * 1000
    assert server.requests == ["/data.gz"]
    path.write_bytes(b"damaged in the cache")
    assert fetch("mnist", remote, cache).read_bytes() == b"content" * 1000


def refused(remote: RemoteFile, folder: Path, retries: int = 0) -> str:
    with pytest.raises(ConfigurationError) as raised:
        fetch("mnist", remote, folder, retries)
    assert remote.url in raised.value.message
    assert "\n" not in raised.value.message
    assert "--data" in raised.value.hint
    assert left(folder) == []
    return raised.value.message


def test_another_content_is_refused(server: Server, cache: Path) -> None:
    remote = replace(server.offer("data.gz", b"what somebody else put there"), md5="0" * 32)
    assert "what arrived is not the file with MD5 000" in refused(remote, cache)


def test_a_transfer_that_breaks_off_is_refused(server: Server, cache: Path) -> None:
    remote = server.offer("cut.gz", bytes(200_000))
    message = refused(remote, cache, retries=1)
    assert "broke off" in message or "no connection" in message
    assert server.requests == ["/cut.gz", "/cut.gz"]


def test_a_missing_page_is_refused(server: Server, cache: Path) -> None:
    assert "the server answers 404" in refused(RemoteFile(f"{server.url}nothing.gz", "0" * 32), cache)


def test_offline_is_said(server: Server, cache: Path) -> None:
    remote = server.offer("data.gz", b"content")
    server.stop()
    assert "no connection to the server; is this machine offline?" in refused(remote, cache)


def test_a_cache_that_cannot_be_written_is_said(server: Server, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(ConfigurationError) as raised:
        fetch("mnist", server.offer("data.gz", b"content"), cache / "mnist")
    assert CACHE_VARIABLE in raised.value.hint


def test_a_terminal_sees_a_progress_bar(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch("mnist", server.offer("data.gz", bytes(300_000)), cache)
    assert "100%" in capsys.readouterr().err


def test_the_cache_is_the_platforms_own_unless_told_otherwise(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder("mnist") == cache / "mnist"
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_folder("mnist").parent.name in ("spikeport", "Cache")
    assert cache_folder("mnist").is_absolute()


def test_mnist_is_downloaded_where_no_folder_is_given(server: Server, cache: Path) -> None:
    train, test = write_mnist(server.folder)
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    first, second, third, fourth = (md5((server.folder / f"{name}-ubyte.gz").read_bytes()) for name in names)
    source = replace(MNIST, base_url=server.url, md5=(first, second, third, fourth))
    dataset = source.load(None, seed=0)
    assert np.array_equal(dataset.test.images, test.images)
    assert len(dataset.train) + len(dataset.validation) == len(train)
    assert source.load(None, seed=0).digest() == dataset.digest()
    assert len(server.requests) == 4
    assert source.files(None)[0].parent == cache / "mnist"


def tarred(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, inside in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(inside)
            archive.addfile(member, io.BytesIO(inside))
    return content.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, inside in files.items():
            archive.writestr(name, inside)
    return content.getvalue()


def packed(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_cifar_is_downloaded_and_unpacked_once(server: Server, cache: Path, tmp_path: Path) -> None:
    _, test = write_cifar10_binary(tmp_path / "made/cifar-10-batches-bin")
    source = replace(CIFAR10, archive=server.offer("cifar-10-binary.tar.gz", tarred(packed(tmp_path / "made"))))
    for _ in range(2):
        assert np.array_equal(source.load(None, seed=0).test.images, test.images)
    assert server.requests == ["/cifar-10-binary.tar.gz"]
    assert left(cache / "cifar10")[:2] == ["content", "content/cifar-10-batches-bin"]
    assert not list(cache.rglob("*.tar.gz"))


def test_tiny_imagenet_is_downloaded_and_unpacked(server: Server, cache: Path, tmp_path: Path) -> None:
    _, test = write_tiny_imagenet(tmp_path / "made/tiny-imagenet-200")
    source = TinyImageNet(archive=server.offer("tiny-imagenet-200.zip", zipped(packed(tmp_path / "made"))))
    assert np.array_equal(source.load(None, seed=0).test.images, test.images)


@pytest.mark.parametrize("pack", [tarred, zipped])
@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", "..\\evil", "C:\\evil"])  # noqa: S108
def test_no_member_leaves_the_folder(tmp_path: Path, pack: Any, name: str) -> None:
    (tmp_path / "in").mkdir()
    archive = tmp_path / "archive"
    archive.write_bytes(pack({"fine": b"1", name: b"2"}))
    with pytest.raises(ConfigurationError, match="would be written outside"):
        unpack(archive, tmp_path / "in/target")
    assert left(tmp_path) == ["archive", "in"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        member = tarfile.TarInfo("inside")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(ConfigurationError, match="inside is a link or device"):
        unpack(tmp_path / "archive", tmp_path / "in/target")
    assert left(tmp_path) == ["archive", "in"]


@pytest.mark.parametrize("pack", [tarred, zipped])
def test_a_damaged_archive_leaves_nothing(server: Server, cache: Path, pack: Any) -> None:
    content = pack({f"{index}": np.random.default_rng(index).bytes(5000) for index in range(9)})
    remote = server.offer("archive", content[: len(content) // 2])
    with pytest.raises(ConfigurationError, match="damaged archive"):
        fetch_and_unpack("own", remote, cache)
    assert left(cache) == ["archive"]
