"""The rules: one file each, all of them in `table`."""
