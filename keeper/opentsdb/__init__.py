"""Points on their way to an OpenTSDB: kept on the disk, then put to one of several TSDs by telnet or HTTP."""
