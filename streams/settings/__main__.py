"""Make the table of settings in a page of documentation anew.

Usage: ``python -m streams.settings docs/configuration.md``
"""

from __future__ import annotations

import sys
from pathlib import Path

from streams.settings.rendering import replace_table

if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(replace_table(page.read_text("utf-8")), "utf-8")
