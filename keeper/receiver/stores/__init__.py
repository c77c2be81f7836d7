"""Where packets are kept, each once and for ever: one file each, and one line in `table`."""
