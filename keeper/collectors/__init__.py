"""Collector scripts: found, run, kept in order, and what they print made into points."""
