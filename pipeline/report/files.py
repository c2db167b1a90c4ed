"""Writes `report.json`, `report.html` and the model card into a run folder, and reads the first back.

Comes in: a Report. Goes out: files that are replaced whole, and only when their content has changed.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from pipeline.report.card import model_card
from pipeline.report.contract import Report
from pipeline.report.page import render
from targets.errors import ConfigurationError
from targets.network_file import write_atomically

JSON, HTML, CARD = "report.json", "report.html", "MODEL_CARD.md"


def to_json(report: Report) -> str:
    """The content of report.json."""
    return report.model_dump_json(indent=1) + "\n"


def write(folder: Path, report: Report) -> Path:
    """Writes all of them; the path of the page."""
    write_if_changed(folder / JSON, to_json(report))
    write_if_changed(folder / HTML, render(report))
    write_if_changed(folder / CARD, model_card(report))
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


def write_if_changed(path: Path, content: str) -> None:
    """Replaces a file whole; one that holds just this keeps its time of modification."""
    encoded = content.encode()
    if not path.is_file() or path.read_bytes() != encoded:
        write_atomically(path, encoded)
