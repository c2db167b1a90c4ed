"""Where the board is: `[measure.hardware]` of a profile, or `--hardware` on the command line.

Comes in: a TOML table or one text. Goes out: a frozen, checked model. What becomes part of a command is checked here by what it
may contain, and still never pasted into a shell: `ssh.py` quotes it, `command.py` starts a list of words.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from targets.errors import ConfigurationError

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@\\-]*")
_HINT = "for example --hardware ssh://user@board:22/tmp or --hardware 'command:./measure.py --port /dev/ttyACM0'"


def _matches(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is not {what}")
        return text

    return AfterValidator(check)


def _plain_folder(text: str) -> str:
    if not text.startswith("/") or any(ord(letter) < 32 for letter in text):
        raise ValueError(f"{text!r} is not the absolute path of a folder")
    return text


class _Way(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    #: What the board may take for everything that it does.
    seconds: PositiveInt = 600
    #: Test images that the board classifies; fewer where the test set has fewer.
    samples: PositiveInt = 64
    #: What the board is, where it cannot say so itself; whoever writes this declares that it is one.
    board: str | None = Field(default=None, min_length=1, max_length=200)


class Ssh(_Way):
    """A Linux board behind the system's OpenSSH client, which knows keys, agents, jump hosts and host keys."""

    #: Over ssh.
    transport: Literal["ssh"] = "ssh"
    #: Name, address, or an alias of ssh's own configuration.
    host: Annotated[str, _matches(_HOST, "a host's name or address")]
    #: Name on the board.
    user: Annotated[str, _matches(_USER, "a user's name")] | None = None
    #: None: what ssh's own configuration says, as for user, identity and known_hosts.
    port: int | None = Field(default=None, ge=1, le=65535)
    #: Where a folder of its own is made, and removed.
    folder: Annotated[str, AfterValidator(_plain_folder)] = "/tmp"  # noqa: S108 - a folder within is made by mktemp
    #: File of the private key; it must work without a passphrase or through an agent.
    identity: Path | None = None
    #: File of host keys that are trusted.
    known_hosts: Path | None = None
    #: Path on the board of libonnxruntime.so, or whatever else the family's bundle runs with.
    library: Annotated[str, AfterValidator(_plain_folder)] | None = None

    @property
    def address(self) -> str:
        """For people: user@host:port."""
        return (f"{self.user}@" if self.user else "") + self.host + (f":{self.port}" if self.port else "")


class Command(_Way):
    """A program of the user's own: it gets the folder as its last argument and prints the record."""

    #: By a program of the user's own.
    transport: Literal["command"] = "command"
    #: The program and its words; no shell reads them.
    command: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)

    @property
    def address(self) -> str:
        """For people: the program."""
        return shlex.join(self.command)

    @model_validator(mode="after")
    def _no_zero_bytes(self) -> Self:
        if any("\0" in word for word in self.command):
            raise ValueError("a word of the command holds a zero byte")
        return self


Hardware = Annotated[Ssh | Command, Field(discriminator="transport")]


class MeasureTable(BaseModel):
    """The table `[measure]` of a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: The board to measure on, as docs/real-hardware.md describes it.
    hardware: Hardware | None = None


def parse_hardware(text: str) -> Ssh | Command:
    """`ssh://user@host:port/folder`, or `command:` and the words of a command, quoted as in a shell (which never sees them).

    Raises:
        ConfigurationError: it is neither, or a part of it is not what it should be.
    """
    scheme, colon, rest = text.partition(":")
    try:
        if scheme == "ssh" and rest.startswith("//"):
            return _ssh(text)
        if scheme == "command" and colon:
            return Command(command=tuple(shlex.split(rest)))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
        raise ConfigurationError.from_problems(f"--hardware {text}", problems, _HINT) from error
    except ValueError as error:
        raise ConfigurationError(f"--hardware {text}: {error}", _HINT) from error
    raise ConfigurationError(f"--hardware {text}: neither ssh://HOST nor command:PROGRAM", _HINT)


def _ssh(text: str) -> Ssh:
    parts = urlsplit(text)
    if parts.query or parts.fragment or parts.password is not None:
        raise ValueError(
            "a password, ? and # are not understood; keys come from ssh's own configuration or the profile"
        )
    given = {"user": unquote(parts.username) if parts.username else None, "port": parts.port}
    folder = unquote(parts.path)
    return Ssh.model_validate(
        {"host": parts.hostname or "", **given, **({"folder": folder} if folder not in ("", "/") else {})}
    )
