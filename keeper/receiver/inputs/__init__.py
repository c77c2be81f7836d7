"""Ways to write packets: a body in, packets out, pure. A new one is a file here and a line in `table`."""
