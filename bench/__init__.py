"""Benchmarks: each compares keeper with a peer, or with its own bound, in one run, and prints ratios."""
