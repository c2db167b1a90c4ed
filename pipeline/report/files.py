"""Writes `report.json` and `report.html` into a run folder, and reads the former back.

Comes in: a Report. Goes out: files that are replaced whole, and only when their content has changed.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from pipeline.report.contract import Report
from pipeline.report.page import render
from targets.errors import ConfigurationError
from targets.network_file import write_atomically

JSON, HTML = "report.json", "report.html"


def to_json(report: Report) -> str:
    """The content of report.json."""
    return report.model_dump_json(indent=1) + "\n"


def write(folder: Path, report: Report) -> Path:
    """Writes both files; the path of the page."""
    _write(folder / JSON, to_json(report))
    _write(folder / HTML, render(report))
    return folder / HTML


def read(folder: Path) -> Report:
    """The report of a finished run.

    Raises:
        ConfigurationError: there is none, or it is not readable.
    """
    path = folder / JSON
    try:
        return Report.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigurationError(
            f"{folder}: no finished run here", "give the folder BUILD/TARGET/DATASET of a deployment"
        ) from error
    except ValidationError as error:
        raise ConfigurationError(
            f"{path}: not a readable report ({error.error_count()} problems)",
            "deploy again; only the report is rewritten",
        ) from error


def _write(path: Path, content: str) -> None:
    encoded = content.encode()
    if not path.is_file() or path.read_bytes() != encoded:
        write_atomically(path, encoded)
