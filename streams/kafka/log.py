"""The workers' log: a line for each turn of their life, none for a post."""

from __future__ import annotations

import logging

log = logging.getLogger("surgewatch")
