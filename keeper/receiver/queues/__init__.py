"""Queues between server and workers: one file each, and one line in `table`."""
