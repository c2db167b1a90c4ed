"""Where a profile's files are run and measured: on the emulated board with its own runtime, or natively with this machine's.

Goes in: a profile. Comes out: a Venue, which holds the profile as it can be run here, and what is not as on the board. A profile
that is emulated keeps the board's version and instruction set; one that is not gets those of this machine. So estimate, execute
and measure, given one profile, speak of one runtime.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from targets.errors import ConfigurationError, ToolMissingError, VerificationError
from targets.footprint import MeasuredBy, Venue
from targets.onnxruntime import emulator
from targets.onnxruntime.compile import HEAP_COUNTER, RUNNER, compiled, compilers
from targets.onnxruntime.runtimes import Runtime, fetch_command, is_here, is_known, library_of, native_runtime
from targets.onnxruntime.settings import Settings
from targets.profile import Profile
from targets.tool import Tool

SECONDS = 3600
INSTALL_COMPILER = "pip install ziglang"
_OTHERWISE = "verified by this machine's own runtime"
#: One heap and no mapped blocks: a block is what was asked for, rounded to 16 bytes, not to pages.
MALLOC_SETTINGS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_ARENA_MAX": "1"}
#: Exit codes of the runner, see runner/runner.c.
_BAD_LIBRARY, _MODEL_REFUSED = 3, 4


def venue(profile: Profile) -> Venue:
    """How this machine runs the profile's files: as the board does if it can, else natively and saying so."""
    missing = _missing(profile.settings)
    if not missing:
        obtained = obtained_on(profile.settings)
        return Venue(obtained, profile, native=natively(profile) if obtained == "emulated" else None)
    native, asked = native_runtime(), profile.settings.runtime
    return Venue(
        "runtime",
        natively(profile),
        f"run by ONNX Runtime {native} on this machine, not by the board's {asked}: {missing[0]}",
        missing[1],
    )


def natively(profile: Profile) -> Profile:
    """The profile with the runtime of this machine in place of the board's."""
    native = native_runtime()
    changes = {"version": native.version, "instruction_set": native.instruction_set, "emulation": None}
    return profile.model_copy(update={"settings": profile.settings.model_copy(update=changes)})


def obtained_on(settings: Settings) -> MeasuredBy:
    """What a measurement with these settings is called."""
    return "runtime" if _is_native(settings) else "emulated"


def tools(profile: Profile) -> Sequence[Tool]:
    """For `doctor`: what runs the files here, and what running them as the board does needs besides."""
    settings: Settings = profile.settings
    native = native_runtime()
    here = [Tool("runtime", f"ONNX Runtime {native}"), _compiler("C compiler", native.instruction_set)]
    if settings.emulation is None or _is_native(settings):
        return here
    lacking = emulator.shortfall(settings.instruction_set)
    found = lacking or str(emulator.emulator(settings.instruction_set))
    return [
        *here,
        Tool("emulator", found, emulator.INSTALL if lacking else "", _OTHERWISE if lacking else ""),
        _compiler("cross compiler", settings.instruction_set, "" if lacking == "" else _OTHERWISE),
        _library(settings.runtime),
    ]


def _compiler(name: str, instruction_set: str, otherwise: str = "") -> Tool:
    found = compilers(instruction_set)
    if found:
        return Tool(name, "zig cc" if "ziglang" in found[0] else found[0][0])
    return Tool(name, f"none for {instruction_set}", INSTALL_COMPILER, otherwise)


def _library(runtime: Runtime) -> Tool:
    if is_here(runtime):
        return Tool("board's runtime", f"ONNX Runtime {runtime}, fetched")
    found, otherwise = f"ONNX Runtime {runtime}, not fetched yet", "the first emulated verification fetches it"
    return Tool("board's runtime", found, fetch_command(runtime), otherwise)


def run(settings: Settings, words: Sequence[str | Path], *, counting: bool) -> str:
    """Runs the C runner with the library of these settings; what it prints.

    Raises:
        ToolMissingError: compiler, emulator or library are missing.
        ConfigurationError: the runtime is another version, or refuses the files.
        VerificationError: it fails or takes too long.
    """
    runtime = settings.runtime
    environment = {**MALLOC_SETTINGS, "OMP_NUM_THREADS": "1"}
    if counting:
        environment["LD_PRELOAD"] = str(compiled(HEAP_COUNTER, runtime.instruction_set))
    before, host = _before(settings, environment)
    program = str(compiled(RUNNER, runtime.instruction_set))
    fixed = [] if before else ["--fixed-addresses"]
    about = ["--library", str(library_of(runtime)), "--expect", runtime.version, *fixed]
    command = [*before, program, *about, *(str(word) for word in words)]
    try:
        done = subprocess.run(command, env=host, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise VerificationError(
            f"ONNX Runtime {runtime} took longer than {SECONDS} s", "use a smaller network"
        ) from error
    if done.returncode:
        raise _refusal(done.returncode, done.stderr, runtime=str(runtime))
    return done.stdout


def _before(settings: Settings, environment: Mapping[str, str]) -> tuple[list[str], Mapping[str, str]]:
    """What the runner is put behind, and the environment of the process on this machine.

    That is small because its size shifts addresses, hence how full hash tables of pointers are.
    """
    if _is_native(settings):
        return [], environment
    if settings.emulation is None:
        raise ToolMissingError(
            f"ONNX Runtime {settings.runtime} does not run on this machine, and the profile does not say how to emulate it",
            "add [onnxruntime.emulation] to the profile, or install that version",
        )
    return emulator.guest_command(settings.instruction_set, settings.emulation, environment), {}


def _refusal(code: int, said: str, runtime: str) -> Exception:
    line = (said.strip() or "no message").splitlines()[-1].removeprefix("spikeport_runner: ")
    if code == _BAD_LIBRARY:
        return ConfigurationError(line, "let it be fetched again: delete it, or mend `version` in the profile")
    if code == _MODEL_REFUSED:
        return ConfigurationError(f"ONNX Runtime {runtime} refuses {line}", "export again")
    return VerificationError(f"ONNX Runtime {runtime} failed (exit code {code}): {line}", "export again")


def _is_native(settings: Settings) -> bool:
    """Whether this machine can load the runtime's library itself."""
    return bool(settings.instruction_set == native_runtime().instruction_set)


def _missing(settings: Settings) -> tuple[str, str] | None:
    """What keeps the board's own runtime from running here, and the command that mends it."""
    if not is_known(settings.runtime):
        return f"no library of ONNX Runtime {settings.runtime} is pinned", "add it to targets/onnxruntime/runtimes.json"
    if _is_native(settings):
        return None
    if settings.emulation is None:
        return "its profile has no [onnxruntime.emulation]", "add that table to the profile"
    lacking = emulator.shortfall(settings.instruction_set)
    return (lacking, emulator.INSTALL) if lacking else None
