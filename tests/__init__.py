"""Tests; a package only so that ``tests.harness`` cannot be taken for another distribution's."""
