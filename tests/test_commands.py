"""Every command in the documents and the CI files exists and takes the options it is given.

Scripts of the workflows run as they are, in a shell in which `spikeport` and `pip` only note what they are asked for; the
command line then parses what was noted.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from PIL import Image
from typer.testing import CliRunner

from pipeline.chain import Job
from pipeline.cli import app
from pipeline.options import request
from targets.errors import ToolMissingError
from targets.profile import load_profile, profile_names

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GITLAB = ROOT / "examples" / "gitlab" / ".gitlab-ci.yml"
DOCUMENTS = [ROOT / "README.md", ROOT / "Makefile", *sorted((ROOT / "docs").glob("*.md"))]
GUIDE, OWN_DATA = ROOT / "docs" / "adding-a-board.md", ROOT / "docs" / "your-own-data.md"
#: Commands that end within a second or two are run as they are; the others are checked up to where work would begin.
QUICK = ("targets", "estimate", "index", "doctor")
_RULE = re.compile(r"^([a-z%-]+(?: [a-z-]+)*):", re.MULTILINE)


def parse(words: list[str]) -> None:
    """Lets the command line read the words after `spikeport`, without running them."""
    group: Any = typer.main.get_command(app)
    assert words[0] in group.commands, words[0]
    group.commands[words[0]].make_context(words[0], list(words[1:]))


def require_rule(words: list[str]) -> None:
    """The words after `make` name rules of the Makefile, or set variables that it uses."""
    text = (ROOT / "Makefile").read_text()
    rules = {rule for line in _RULE.findall(text) for rule in line.split()}
    for word in words:
        variable, equals, _ = word.partition("=")
        if equals:
            assert f"$({variable})" in text or f"$(or $({variable})" in text, word
        elif word.startswith("bench-"):
            assert (ROOT / "benchmarks" / f"{word.removeprefix('bench-').replace('-', '_')}.py").is_file(), word
        else:
            assert word in rules, word


def commands(text: str) -> Iterator[str]:
    """Command lines in indented blocks, without the explanation that follows two spaces or a hash."""
    for line in text.splitlines():
        found = re.match(r"^(?:# {3}| {4})((?:spikeport|make) .*)", line)
        if found:
            for alternative in re.split(r" \| ", re.split(r"\s{2,}|\s#", found[1])[0]):
                yield alternative if alternative.startswith(("make", "spikeport")) else f"make {alternative}"


DOCUMENTED = [(path.name, line) for path in DOCUMENTS for line in commands(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("document", "line"), DOCUMENTED)
def test_documented_commands_exist(document: str, line: str) -> None:
    program, *words = shlex.split(line)
    if program == "make":
        require_rule(words)
    else:
        parse(words)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the documents speak of: the guide's board, the arrays of the data guide, photos, an architecture."""
    folder = tmp_path_factory.mktemp("documented")
    (folder / "my_board.toml").write_text(guide_board())
    (snippet,) = re.findall(r"```python\n(.*?)```", OWN_DATA.read_text(), re.DOTALL)
    subprocess.run([sys.executable, "-c", snippet], cwd=folder, check=True, timeout=60)
    (folder / "bars.npz").rename(folder / "arrays.npz")
    (folder / "bars.npz").symlink_to("arrays.npz")
    for kind in ("cat", "dog"):
        for number in range(10):
            path = folder / "photos" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (40, 36), 20 * number).save(path)
    (snippet,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "file-formats.md").read_text(), re.DOTALL)
    (folder / "net.json").write_text(snippet)
    (folder / "FILE").write_text(snippet)
    return folder


def guide_board() -> str:
    guide = GUIDE.read_text()
    block = guide[guide.index("    # my_board.toml") : guide.index("`extends` names")]
    return "\n".join(line.removeprefix("    ") for line in block.splitlines())


RUN = sorted(
    {line for _, line in DOCUMENTED if line.split()[:1] == ["spikeport"]}
    | {f"spikeport estimate jetson_nano --architecture {name}" for name in ("net.json", "FILE")}
)


@pytest.mark.parametrize("line", [line for line in RUN if line.split()[1] in QUICK])
def test_documented_commands_run(line: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    done = CliRunner().invoke(app, shlex.split(line)[1:])
    told = isinstance(done.exception, ToolMissingError) and "doctor" in line  # says what is not installed here
    assert done.exit_code == 0 or told, done.exception or done.output


@pytest.mark.parametrize(
    "line", [line for line in RUN if line.split()[1] not in (*QUICK, "report", "lock") and "TARGET" not in line]
)
def test_documented_work_could_begin(line: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is decided before the first stage: target, budget, settings, and that the dataset can be read."""
    monkeypatch.chdir(place)
    name, *words = shlex.split(line)[1:]
    group: Any = typer.main.get_command(app)
    asked = group.commands[name].make_context(name, words).params
    for target in [asked["target"]] if "target" in asked else asked["targets"] or profile_names():
        datasets = asked["dataset"] or ["digits"]
        for dataset in [datasets] if isinstance(datasets, str) else datasets:
            made = request(
                target, dataset, asked["data"], asked["seed"], asked["preset"], asked.get("budget", ""), asked["settings"],
                asked["build"],
            )  # fmt: skip
            job = Job.of(made)
            assert dataset.startswith(("images", "npz")) is (asked["data"] is not None)
            if "targets" not in asked:
                assert len(job.dataset.train) > 0 and job.fingerprint


def test_commands_are_found_and_wrong_ones_noticed() -> None:
    assert len(DOCUMENTED) > 25
    with pytest.raises(Exception, match="No such option"):
        parse(["regenerate", "--colour"])
    with pytest.raises(AssertionError):
        parse(["regenrate"])
    with pytest.raises(AssertionError):
        require_rule(["deplo"])


def test_links_between_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_board_of_the_guide_is_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "my_board.toml"
    path.write_text(guide_board())
    assert load_profile(str(path)).memory["sram"].available_bytes == 48 * 1024


def steps(workflow: Any) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job.get("steps", ())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_sound(path: Path) -> None:
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        needs = job.get("needs", [])
        assert {needs} if isinstance(needs, str) else set(needs) <= workflow["jobs"].keys()
        if "uses" in job:
            called = yaml.safe_load((ROOT / job["uses"]).read_text())
            assert job.get("with", {}).keys() <= called[True]["workflow_call"]["inputs"].keys()
        else:
            assert job["runs-on"] and job["timeout-minutes"]
    for step in steps(workflow):
        assert ("uses" in step) != ("run" in step)
        assert "${{" not in step.get("run", "")  # what a user gives reaches a script through its environment only
    inputs = workflow[True].get("workflow_call", {}).get("inputs", {}) if isinstance(workflow[True], dict) else {}
    assert set(re.findall(r"inputs\.(\w+)", text)) <= set(inputs)


@pytest.fixture
def stubs(tmp_path: Path) -> dict[str, str]:
    """An environment with a `spikeport` that lists targets for real and otherwise notes its words; `pip` and `make` too."""
    folder = tmp_path / "bin"
    folder.mkdir()
    real = f'{shlex.quote(sys.executable)} -m pipeline "$@"'
    for name in ("spikeport", "pip", "make"):
        note = f"{shlex.quote(sys.executable)} -c 'import json, sys; print(json.dumps(sys.argv[1:]))' {name} \"$@\" >> $NOTES"
        real_too = f'if [ "$1" = targets ]; then exec {real}; fi\n' if name == "spikeport" else ""
        (folder / name).write_text(f"#!/bin/sh\n{real_too}{note}\n")
        (folder / name).chmod(0o755)
    (folder / "python").symlink_to(sys.executable)
    return {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "NOTES": str(tmp_path / "notes"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }


def run(script: str, folder: Path, environment: dict[str, str]) -> list[list[str]]:
    """Runs a script as CI does; what was noted."""
    notes = Path(environment["NOTES"])
    notes.unlink(missing_ok=True)
    subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=environment, check=True, timeout=60)
    return [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []


def script_of(name: str, containing: str) -> str:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    (script,) = {step["run"] for step in steps(workflow) if containing in step.get("run", "")}
    return str(script)


def test_the_matrix_holds_every_target_or_those_named(stubs: dict[str, str], tmp_path: Path) -> None:
    script, output = script_of("regenerate.yml", "spikeport targets"), Path(stubs["GITHUB_OUTPUT"])
    run(script, tmp_path, {**stubs, "TARGETS": ""})
    assert json.loads(output.read_text().removeprefix("targets=")) == profile_names()
    output.unlink()
    run(script, tmp_path, {**stubs, "TARGETS": "./boards/mine.toml jetson_nano"})
    assert json.loads(output.read_text().removeprefix("targets=")) == ["./boards/mine.toml", "jetson_nano"]


def test_the_workflow_calls_the_command_as_it_is(stubs: dict[str, str], tmp_path: Path) -> None:
    script = script_of("regenerate.yml", "spikeport regenerate")
    environment = {**stubs, "TARGET": "./a board.toml", "DATASETS": "digits mnist", "CHECK": "true"}
    ((program, *words),) = run(script, tmp_path, environment)
    assert (program, words) == (
        "spikeport",
        ["regenerate", "./a board.toml", "--dataset", "digits", "--dataset", "mnist", "--check"],
    )
    parse(words)
    ((_, *unchecked),) = run(script, tmp_path, {**environment, "CHECK": "false"})
    assert "--check" not in unchecked
    for command in ("spikeport index", "spikeport lock"):
        ((_, *words),) = run(script_of("regenerate.yml", command), tmp_path, stubs)
        parse(words)
    ((program, *words),) = run(
        script_of("regenerate.yml", "pip install"), tmp_path, {**stubs, "INSTALL": "-c constraints.txt ."}
    )
    assert words == ["install", "-c", "constraints.txt", "."]


def test_the_summary_reaches_the_page_of_the_run(stubs: dict[str, str], tmp_path: Path) -> None:
    script = script_of("regenerate.yml", "GITHUB_STEP_SUMMARY")
    run(script, tmp_path, stubs)  # nothing was made: no failure on top of the failure
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "regenerate.md").write_text("# told\n")
    run(script, tmp_path, stubs)
    assert Path(stubs["GITHUB_STEP_SUMMARY"]).read_text() == "# told\n"


def test_the_gitlab_example_names_real_targets_and_commands(stubs: dict[str, str], tmp_path: Path) -> None:
    pipeline = yaml.safe_load(GITLAB.read_text())
    job = pipeline["regenerate"]
    assert job["stage"] in pipeline["stages"]
    (axis,) = job["parallel"]["matrix"]
    assert set(axis["TARGET"]) <= set(profile_names())
    variables = {**stubs, **pipeline["variables"], "TARGET": axis["TARGET"][0]}
    pip, (program, *words) = run("\n".join(job["script"]), tmp_path, variables)
    assert (pip[:2], program) == (["pip", "install"], "spikeport")
    parse(words)
    assert job["artifacts"]["reports"]["junit"] == "build/regenerate.xml"
