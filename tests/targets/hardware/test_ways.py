"""How a way to a board is written, and what is refused in it."""

from __future__ import annotations

import pytest

from targets.errors import ConfigurationError
from targets.hardware.ways import Command, Ssh, parse_hardware


def test_ssh_addresses() -> None:
    assert parse_hardware("ssh://nano") == Ssh(host="nano")
    found = parse_hardware("ssh://me@10.0.0.7:2222/data/a%20b")
    assert found == Ssh(host="10.0.0.7", user="me", port=2222, folder="/data/a b")
    assert found.address == "me@10.0.0.7:2222"
    assert parse_hardware("ssh://[fe80::1]:22") == Ssh(host="fe80::1", port=22)


def test_commands_are_words() -> None:
    assert parse_hardware("command:./measure.py --port '/dev/tty A'") == Command(
        command=("./measure.py", "--port", "/dev/tty A")
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nano", "neither ssh"),
        ("ssh://", "host"),
        ("ssh://-oProxyCommand=x", "host"),
        ("ssh://a%20b", "host"),
        ("ssh://me:secret@nano", "password"),
        ("ssh://nano?x=1", "understood"),
        ("ssh://nano:99999", "[Pp]ort"),
        ("ssh://nano/a%0Ab", "absolute path"),
        ("ssh://-l@nano", "user"),
        ("command:", "command"),
        ("command:'open", "quot"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_hardware(text)
