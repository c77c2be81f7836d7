"""Load, memory, disks, network and TCP, against the host the tests run on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from keeper.shipped.tcp import Tcp
from tests.peers.process import run
from tests.shipped.running import Said, a_round, command, once, value

IN_A_NAMESPACE = ["unshare", "--net", *(["--map-root-user"] if os.geteuid() else [])]


def test_load_is_what_the_kernel_says() -> None:
    """Averages, and CPU time between two looks of our own."""
    before = cpu_ticks()
    said = once("load")
    after = cpu_ticks()
    for kind, place in (("user", 0), ("idle", 3), ("softirq", 6)):
        assert before[place] <= value(said, "proc.stat.cpu", type=kind) <= after[place]
    assert value(said, "proc.loadavg.total_threads") > 1
    assert 0 <= value(said, "proc.loadavg.1min") < 10_000


def cpu_ticks() -> list[int]:
    return [int(number) for number in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]


def test_memory_is_in_bytes() -> None:
    """All there is, as sysconf(3) counts it; what is used lies below."""
    said = once("memory")
    total = value(said, "proc.meminfo.memtotal")
    assert total == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < value(said, "proc.meminfo.memavailable") < total


def test_pressure_is_told_where_the_kernel_measures_it() -> None:
    """Of the resource that was asked for; a kernel without it is no complaint."""
    for subject, resource in (("load", "cpu"), ("memory", "memory"), ("disk", "io")):
        kinds = {one.tags["kind"] for one in once(subject) if one.metric == "proc.pressure.total_us"}
        file = Path("/proc/pressure", resource)
        expected = {line.split()[0] for line in file.read_text().splitlines()} if file.exists() else set()
        assert kinds == expected


def test_a_disk_is_as_full_as_statvfs_says() -> None:
    """The file system of /: its size exactly, the rest about; used and free make the whole."""
    asked = os.statvfs("/")
    said = [one for one in once("disk") if one.tags.get("mount") == "/"]
    total = value(said, "df.bytes.total")
    assert total == asked.f_blocks * asked.f_frsize
    assert value(said, "df.bytes.used") + value(said, "df.bytes.free") == total
    assert abs(value(said, "df.bytes.free") - asked.f_bfree * asked.f_frsize) < total / 20
    assert value(said, "df.bytes.available") <= value(said, "df.bytes.free")
    assert abs(value(said, "df.bytes.percentused") - 100 * value(said, "df.bytes.used") / total) < 0.01


@pytest.fixture
def hung(tmp_path: Path) -> list[str]:
    """A FUSE file system, mounted in a namespace of its own, whose program never answers: as a dead NFS server."""
    mount = f"""if True:
        import ctypes, os, subprocess, sys
        device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={{device}},rootmode=40000,user_id=0,group_id=0".encode()
        kernel = ctypes.CDLL(None, use_errno=True)
        if kernel.mount(b"hung", b"{tmp_path}", b"fuse.hung", 0, options):
            sys.exit(os.strerror(ctypes.get_errno()))
        sys.exit(subprocess.run(sys.argv[1:]).returncode)
    """
    return [
        *["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])],
        *[sys.executable, "-c", mount],
    ]


def test_a_disk_that_hangs_holds_up_nobody(hung: list[str], tmp_path: Path) -> None:
    """The others are told, and that it hangs: once. Later rounds do not wait for it."""
    looks = f"""if True:
        import sys, time
        from keeper.shipped.disk import Disks, PATIENCE
        told = []
        disks = Disks(True, told.append)
        first = disks()
        begun = time.monotonic()
        second = disks()
        print(time.monotonic() - begun < PATIENCE / 2, len(first) == len(second), len(first) > 9, told)
        print(any("{tmp_path}" in point[2] for point in first + second))
    """
    ended = run([*hung, sys.executable, "-c", looks])
    assert ended.stdout.splitlines() == [
        f"True True True ['disk: {tmp_path} does not answer: it is left out until it does']",
        "False",
    ], ended.stderr


def test_a_network_disk_is_not_even_asked_by_default(hung: list[str]) -> None:
    """No complaint, no answer, no waiting."""
    once("disk", before=tuple(hung))


def test_interfaces_count_what_goes_through() -> None:
    """Of a namespace of our own: 1000 bytes to ourselves are counted, when loopback is asked for."""
    talk = f"""if True:
        {LOOPBACK_UP}
        import socket
        receiver = socket.socket(type=socket.SOCK_DGRAM); receiver.bind(("127.0.0.1", 5000))
        socket.socket(type=socket.SOCK_DGRAM).sendto(bytes(972), ("127.0.0.1", 5000))
        sys.exit(subprocess.run(sys.argv[1:]).returncode)
    """
    said = in_a_namespace(talk, "--all-interfaces", "network")
    for direction in ("in", "out"):
        assert value(said, "proc.net.bytes", iface="lo", direction=direction) == 972 + 28
        assert value(said, "proc.net.packets", iface="lo", direction=direction) == 1
    assert not in_a_namespace(talk, "network"), "loopback goes to no other host"


def test_tcp_sockets_are_counted_by_state() -> None:
    """IPv4 and IPv6, in a namespace of our own: three that listen, two connections, one of them half closed."""
    talk = f"""if True:
        {LOOPBACK_UP}
        import socket
        four = socket.create_server(("127.0.0.1", 5000))
        six = socket.create_server(("::1", 5001), family=socket.AF_INET6)
        idle = socket.create_server(("127.0.0.1", 5002))
        open4 = socket.create_connection(("127.0.0.1", 5000)), four.accept()
        open6 = socket.create_connection(("::1", 5001)), six.accept()
        open6[0].shutdown(socket.SHUT_WR)
        sys.exit(subprocess.run(sys.argv[1:]).returncode)
    """
    said = in_a_namespace(talk, "tcp")
    states = {one.tags["state"]: one.value for one in said if one.metric == "proc.net.tcp"}
    assert {state: number for state, number in states.items() if number} == {
        "listen": 3,
        "established": 2,
        "fin_wait2": 1,
        "close_wait": 1,
    }
    assert value(said, "net.sockstat.sockets_inuse", type="tcp") == 4
    assert value(said, "net.sockstat.sockets_inuse", type="tcp6") == 3


def test_the_states_are_counted_as_often_as_they_may_cost() -> None:
    """The table of connections takes milliseconds to read: not in every round, whose totals come nevertheless."""
    tcp = Tcp()
    first, second = tcp(), tcp()
    assert {point[0] for point in first} - {point[0] for point in second} == {"proc.net.tcp"}


LOOPBACK_UP = """
        import fcntl, socket, struct, subprocess, sys
        fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14s", b"lo", 0x49, b""))  # SIOCSIFFLAGS, IFF_UP
""".strip()


def in_a_namespace(script: str, *arguments: str) -> list[Said]:
    """Run a round from a script in a network namespace of its own, where nobody else talks."""
    ended = run([*IN_A_NAMESPACE, sys.executable, "-c", script, *command("--once", *arguments)])
    assert (ended.returncode, ended.stderr) == (0, "")
    return a_round(ended)
