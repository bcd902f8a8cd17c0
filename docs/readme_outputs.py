"""Runs the commands whose output the README shows, and puts what they print into it.

    make readme

Each is named in a comment before its block; they run in order, in one empty directory. A block
whose command starts with ``make`` is left alone: ``make bench`` takes minutes and a quiet machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- output of: (.*?) -->\n```\w*\n)(.*?)(```\n)", re.DOTALL)
COLUMNS = "96"


def output(command: str, directory: str) -> str:
    """What a shell command prints.

    Raises:
        CalledProcessError: it failed where no other exit code is part of what is shown.
    """
    scripts = Path(sys.executable).parent
    environ = {**os.environ, "COLUMNS": COLUMNS, "PATH": f"{scripts}:{os.environ['PATH']}"}
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=directory,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines())


def renewed(text: str) -> str:
    """The document with each block as its command prints it now."""
    with tempfile.TemporaryDirectory() as directory:

        def block(match: re.Match[str]) -> str:
            before, command, _, after = match.groups()
            return before + output(command, directory) + after

        return BLOCK.sub(block, text)


if __name__ == "__main__":
    README.write_text(renewed(README.read_text("utf-8")), "utf-8")
