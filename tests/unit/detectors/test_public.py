"""What ``from detectors import …`` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import detectors


def test_every_public_name_is_there_and_documented() -> None:
    """Each name of ``__all__`` can be imported, has a docstring, and stands in the table."""
    for name in detectors.__all__:
        assert getattr(detectors, name).__doc__
        assert f"``{name}``" in (detectors.__doc__ or "")
        assert name in dir(detectors)


def test_unknown_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="SurgeScna"):
        getattr(detectors, "SurgeScna")  # noqa: B009 - that is what is tested


def test_import_is_cheap() -> None:
    """``import detectors`` imports neither River nor NumPy; the names do, when they are used."""
    code = (
        "import sys, detectors;"
        "early = {'river', 'numpy'} & set(sys.modules);"
        "from detectors import SurgeScan, names;"
        "assert callable(names), names;"
        "sys.exit(bool(early) or 'river' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
