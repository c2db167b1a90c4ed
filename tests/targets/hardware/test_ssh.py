"""The ssh transport against a real OpenSSH server: success, and every way to fail in one line with nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from targets.errors import HardwareError
from targets.hardware.ssh import client, run
from targets.hardware.ways import Ssh
from tests.targets.hardware.sshd import Server, serving

RECORD = '{"format": 1, "obtained": "runtime", "board": "a test", "terms": {"stack": 12}}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "disk").mkdir()
    with serving(folder, folder / "disk") as server:
        yield server


def bundle(folder: Path, script: str) -> Path:
    """A bundle that does this; `$MARK` is a word by which its processes are recognized."""
    made = folder / "bundle"
    (made / "data").mkdir(parents=True)
    (made / "run.sh").write_text(script.replace("$MARK", mark(folder)))
    (made / "data/input").write_bytes(bytes(range(256)))
    return made


def mark(folder: Path) -> str:
    return f"97{abs(hash(str(folder))) % 10**8:08}"


def failure(server: Server, folder: Path, script: str, **changes: object) -> str:
    """The one line in which a run ends; nothing may be left."""
    with pytest.raises(HardwareError) as caught:
        run(bundle(folder, script), server.way(**changes), folder / "back")
    assert "\n" not in caught.value.message
    assert server.left_behind(mark(folder)) == []
    return caught.value.message


def test_a_bundle_runs_there_and_its_files_come_back(server: Server, tmp_path: Path) -> None:
    script = f"echo noise >&2; cmp -n 256 data/input data/input && cp data/input out/copy.bin; echo '{RECORD}'"
    returned = run(bundle(tmp_path, script), server.way(), tmp_path / "back")
    assert returned.record.terms == {"stack": 12}
    assert returned.file("copy.bin").read_bytes() == bytes(range(256))
    assert server.left_behind(mark(tmp_path)) == []
    with pytest.raises(HardwareError, match="returned no file"):
        returned.file("absent.bin")


def test_a_folder_whose_name_is_a_shell_command_is_only_a_name(server: Server, tmp_path: Path) -> None:
    hostile = server.disk / "a b'; touch stolen; $(touch stolen) `touch stolen` #"
    hostile.mkdir()
    try:
        script = f"pwd >out/where; echo '{RECORD}'"
        way = server.way(folder=str(hostile), library="/'; touch stolen '")
        returned = run(bundle(tmp_path, script), way, tmp_path / "back")
        assert returned.file("where").read_text().startswith(str(hostile))
        assert list(hostile.iterdir()) == []
    finally:
        hostile.rmdir()
    assert server.left_behind(mark(tmp_path)) == []
    assert not (Path.home() / "stolen").exists()


@pytest.mark.parametrize("text", ["-oProxyCommand=touch stolen", "a b", "host;ls", "", "a\nb"])
def test_a_host_that_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host"):
        Ssh(host=text)


def test_the_host_comes_behind_the_end_of_the_options(server: Server) -> None:
    assert client(server.way())[-2:] == ["--", "127.0.0.1"]


def test_a_wrong_and_an_unknown_host_key(server: Server, tmp_path: Path) -> None:
    other = tmp_path / "known"
    other.write_text(f"[127.0.0.1]:{server.port} {(server.keys / 'other.pub').read_text()}")
    assert "host key has changed" in failure(server, tmp_path / "a", "exit 0", known_hosts=other)
    other.write_text("")
    assert "host key is not known" in failure(server, tmp_path / "b", "exit 0", known_hosts=other)


def test_a_key_that_is_refused_and_a_port_where_nobody_listens(server: Server, tmp_path: Path) -> None:
    assert "refuses the key" in failure(server, tmp_path / "a", "exit 0", identity=server.keys / "other")
    assert "nothing listens" in failure(server, tmp_path / "b", "exit 0", port=1)


def test_a_dropped_connection(server: Server, tmp_path: Path) -> None:
    def drop() -> None:
        for _ in range(200):
            if any(server.disk.glob("*/out/started")):
                break
            time.sleep(0.05)
        for session in server.sessions():
            os.kill(session, signal.SIGKILL)

    thread = threading.Thread(target=drop)
    thread.start()
    assert "dropped" in failure(server, tmp_path, "touch out/started; sleep $MARK & sleep $MARK")
    thread.join()


def test_the_board_cleans_up_when_this_side_is_killed(server: Server, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from targets.hardware.ways import Ssh\n"
    code += "from targets.hardware.ssh import run\n"
    code += "run(Path(sys.argv[1]), Ssh.model_validate_json(sys.argv[2]), Path(sys.argv[3]))"
    made = bundle(tmp_path, "touch out/started; sleep $MARK")
    words = [str(made), server.way().model_dump_json(), str(tmp_path / "back")]
    process = subprocess.Popen([sys.executable, "-c", code, *words])
    while not any(server.disk.glob("*/out/started")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert server.left_behind(mark(tmp_path)) == []


def test_a_killed_runner_a_failed_one_and_one_that_hangs(server: Server, tmp_path: Path) -> None:
    assert "killed by signal 9" in failure(server, tmp_path / "a", "sleep $MARK & kill -9 $$")
    assert "exit code 3: no memory" in failure(server, tmp_path / "b", "echo no memory >&2; exit 3")
    assert "within 1 s" in failure(server, tmp_path / "c", "trap '' TERM; sleep $MARK & sleep $MARK", seconds=1)
    assert "within 1 s" in failure(server, tmp_path / "f", "sleep $MARK & sleep $MARK", seconds=1)
    assert "printed nothing" in failure(server, tmp_path / "d", "exit 0")
    assert "not a measurement: format" in failure(server, tmp_path / "e", "echo '{}'")


@pytest.mark.parametrize(
    "made",
    [
        "ln -s /etc/passwd out/link",
        "touch 'out/a\nb'",
        "mkfifo out/pipe",
        "touch out/-rf",
        "mkdir -p out/deep; touch out/deep/x",
    ],
)
def test_a_hostile_file_name(made: str, server: Server, tmp_path: Path) -> None:
    assert "is refused" in failure(server, tmp_path, f"{made}; echo '{RECORD}'")
    assert not list(tmp_path.glob("back/**/*link*"))


def test_a_full_disk_while_copying_and_while_running(tmp_path: Path) -> None:
    """The server's shell may write files of 64 KiB only: the kernel refuses more as it does on a full disk."""
    (tmp_path / "disk").mkdir()
    force = 'ForceCommand /bin/sh -c \'trap "" XFSZ; ulimit -f 128; eval "$SSH_ORIGINAL_COMMAND"\''
    with serving(tmp_path, tmp_path / "disk", force) as server:
        large = tmp_path / "large"
        large.mkdir()
        (large / "run.sh").write_text("exit 0")
        (large / "weights").write_bytes(bytes(1 << 20))
        with pytest.raises(HardwareError, match="its disk is full") as caught:
            run(large, server.way(), tmp_path / "back")
        assert "\n" not in caught.value.message
        assert server.left_behind("weights") == []
        said = failure(server, tmp_path / "a", "head -c 1000000 /dev/zero >out/trace || exit 7")
        assert "exit code 7" in said
        assert "File too large" in said


def test_a_really_full_file_system(tmp_path: Path) -> None:
    """A tmpfs of one MiB, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a tmpfs")
    try:
        with serving(tmp_path, disk) as server:
            large = tmp_path / "large"
            large.mkdir()
            (large / "run.sh").write_text("exit 0")
            (large / "weights").write_bytes(bytes(4 << 20))
            with pytest.raises(HardwareError, match="its disk is full"):
                run(large, server.way(), tmp_path / "back")
            assert server.left_behind("weights") == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
