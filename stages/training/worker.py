"""One of the processes that train a network together.

    torchrun --nproc-per-node 8 -m stages.training.worker FOLDER/job

Comes in: the folder of a job (`stages.training.processes`), a launcher's environment variables. Goes out: the checkpoints of both
phases beside the job, by the first process, and its progress as JSON lines on standard output.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import warnings
from pathlib import Path

from stages.training.phases import Phases
from stages.training.processes import Assignment
from targets.errors import ConfigurationError


def main() -> None:
    """Trains both phases of the job."""
    if not sys.stdin.isatty():
        threading.Thread(target=_end_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")
    job = Path(sys.argv[1])
    work = Assignment.read(job)
    phases = Phases(work.dataset, work.profile, work.network, work.config, job.parent, _tell)
    try:
        with phases.machine():
            float_network, _ = phases.train_float()
            phases.train_integer(float_network)
    except ConfigurationError as error:
        if phases.engine.first:
            _say({"error": error.message, "hint": error.hint})
        sys.exit(error.exit_code)
    phases.engine.accelerator.end_training()


def _tell(what: str, done: float, total: float) -> None:
    _say({"what": what, "done": done, "total": total})


def _say(event: dict[str, object]) -> None:
    if os.environ.get("RANK", "0") == "0":
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
