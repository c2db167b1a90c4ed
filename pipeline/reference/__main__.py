"""`python -m pipeline.reference`, or `make docs`: writes the generated pages that have changed, and names them."""

import sys

from pipeline.reference.pages import pages
from pipeline.sources import ROOT
from targets.network_file import write_atomically

for path, content in pages().items():
    if not path.is_file() or path.read_text(encoding="utf-8") != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.encode())
        sys.stderr.write(f"{path.relative_to(ROOT)}\n")
