"""Kept cells, trained once for all tests of this folder."""

from kept_fixtures import kept, sample

__all__ = ["kept", "sample"]
