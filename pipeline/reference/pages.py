"""Every generated page of the documentation.

Comes in: the models of all file formats, the committed lock file and the kept output of benchmarks. Goes out: Markdown, the same
bytes for the same sources, so that a test can tell when a page is stale.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.manifest import Manifest
from pipeline.reference.keys import keys_of, table
from pipeline.reference.results import results_page
from pipeline.regeneration.lock import LOCK, Lock, read_lock
from pipeline.report.contract import Report
from pipeline.request import Configs
from pipeline.sources import ROOT
from targets.families import FAMILIES
from targets.profile import Profile

FOLDER = ROOT / "docs" / "reference"
_HEAD = "<!-- Written by `make docs`. Change the `#:` comments in the code, not this file. -->\n\n"


def profile_page() -> str:
    """Keys of a profile: those of all targets, then the table of each family."""
    common = (key for key in keys_of(Profile) if key.path not in ("name", "settings"))
    page = _HEAD + "# Keys of a profile\n\nEvery table that states a number names its `source`. "
    page += 'Sizes are bytes or text such as `"64 KiB"`. `extends` names the profile that this one is laid over.\n\n'
    page += table(common)
    for family in FAMILIES:
        page += f"\n## `[{family.name}]`\n\n{family.summary}.\n\n{table(keys_of(family.settings_model()))}"
    return page


def report_page() -> str:
    """Keys of report.json."""
    page = (
        _HEAD
        + "# Keys of report.json\n\nFields are added, never renamed. Everything on `report.html` is drawn from it.\n\n"
    )
    return page + table(keys_of(Report))


def settings_page() -> str:
    """What --set takes."""
    page = (
        _HEAD
        + "# Settings of the stages\n\n`--set STAGE.NAME=VALUE`; the value is JSON. Defaults are those of the models; "
    )
    return page + "`--preset` changes some.\n\n" + table(keys_of(Configs))


def files_page() -> str:
    """Keys of the lock file and of manifests."""
    page = _HEAD + f"# Keys of {LOCK} and manifest.json\n\n## {LOCK}\n\n" + table(keys_of(Lock))
    return page + "\n## manifest.json\n\n" + table(keys_of(Manifest))


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    return {
        FOLDER / "profile.md": profile_page(),
        FOLDER / "report.md": report_page(),
        FOLDER / "settings.md": settings_page(),
        FOLDER / "lock-and-manifest.md": files_page(),
        FOLDER / "results.md": _HEAD + results_page(read_lock(ROOT / LOCK) or Lock(), ROOT / "benchmarks" / "results"),
    }
