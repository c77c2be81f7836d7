"""Every mistake in [receiver] and [source:NAME], with its line and its cure."""

from __future__ import annotations

import pytest

from keeper.config import parse
from keeper.errors import ConfigError

R = "[receiver]\n"
TOKEN = "[source:a]\ntoken = s3cret\n"
OPEN = "[source:a]\naddresses = 10.0.0.0/8\n"


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(text, "c.ini", {})
    return raised.value.problems


@pytest.mark.parametrize(
    "text",
    [
        R,
        R + "status_listen = 10.0.0.7:9878\n",
        R + "listen = [::1]:8016\nlines_listen = localhost:1738\n",
        R + "listen = 0.0.0.0:8016\n" + TOKEN,
        R + "listen = 10.0.0.7:8016\nlines_listen = 10.0.0.7:1738\nlines_confirm = yes\n" + TOKEN + "[source:b]\n"
        "addresses = 10.0.0.0/8\n[source:c]\naddresses = 10.1.0.0/16\n",
        R + OPEN + "[source:b]\naddresses = 10.0.0.0/8\n",  # told apart by the name they give
        R + "queue = jetstream:n1:4222\nqueue_user = u\nqueue_password = p\nstore = postgresql://u@h/d\n"
        "store_password = p\ntls_cert = /c\ntls_key = /k\n",
        R + "listen = 127.0.0.1:0\nstatus_listen = 127.0.0.1:0\n",
        R + "listen = 0.0.0.0:8016\nstatus_listen = [::1]:8016\n[source:default]\naddresses = 0.0.0.0/0, ::/0\n",
        R + "[rule:queue_behind]\nsubjects = receiver\n",
        R + TOKEN + "silent_after = 1s\n[source:b]\ntoken = b\nsilent_after = 366d\n[source:c]\ntoken = c\n"
        "silent_after = 0s\n",
    ],
)
def test_what_is_well_stays_unsaid(text: str) -> None:
    assert parse(text, "c.ini", {}).receiver is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            R + "status_listen = 127.0.0.1:8016\n",
            "2: [receiver] status_listen: 127.0.0.1:8016 is taken by [receiver] listen; give it a port of its own",
        ),
        (
            R + "lines_listen = localhost:8016\n",
            "2: [receiver] lines_listen: localhost:8016 is taken by [receiver] listen; give it a port of its own",
        ),
        (
            R + "listen = 0.0.0.0:9878\n" + TOKEN,
            "1: [receiver] status_listen: 127.0.0.1:9878 is taken by [receiver] listen; give it a port of its own",
        ),
        (
            "[keeper]\nlisten = [::]:9000\n" + R + "listen = 10.0.0.7:9000\n" + TOKEN,
            "4: [receiver] listen: 10.0.0.7:9000 is taken by [keeper] listen; give it a port of its own",
        ),
        (
            R + "status_listen = 127.0.0.1:9877\n",
            "2: [receiver] status_listen: 127.0.0.1:9877 is taken by [keeper] listen; give it a port of its own",
        ),
        (
            R + "listen = 0.0.0.0:8016\n",
            "2: [receiver] listen: 0.0.0.0:8016 can be reached from other hosts, and whoever reaches it could send; "
            "add a [source:NAME] with a token or with addresses (0.0.0.0/0, ::/0 if anybody may), or listen on "
            "127.0.0.1",
        ),
        (R + "lines_listen = host.example:1738\n", "2: [receiver] lines_listen: host.example:1738 can be reached from"),
        (
            R + "lines_listen = 127.0.0.1:1738\n" + TOKEN,
            "2: [receiver] lines_listen: lines by TCP bring no secret, and every [source:NAME] has one: nobody could "
            "send any; add one that has addresses and neither token nor username",
        ),
        (
            R + "lines_listen = 127.0.0.1:1738\n" + TOKEN + "addresses = 10.0.0.0/8\n",
            "2: [receiver] lines_listen: lines by TCP bring no secret, and every [source:NAME] has one",
        ),
        (
            R + "lines_listen = 127.0.0.1:1738\n" + OPEN + "[source:b]\naddresses = ::1, 10.0.0.0/8\n",
            "2: [receiver] lines_listen: lines from 10.0.0.0/8 could be of [source:a] and of [source:b], and by TCP "
            "nothing says which",
        ),
        (R + "packet_paths = /v1/confirmed\n", "2: [receiver] packet_paths: /v1/confirmed is the receiver's own"),
        (R + "packet_paths =\nline_paths =\nput_paths =\n", "2: [receiver] packet_paths: nothing could come"),
        (R + "lines_confirm = yes\n", "2: [receiver] lines_confirm: there is no lines_listen"),
        (R + "tls_cert = /c.pem\n", "2: [receiver] tls_cert: it needs tls_key, too"),
        (R + "tls_key = /k.pem\n", "2: [receiver] tls_key: it needs tls_cert, too"),
        (R + "queue_user = u\nqueue_password = p\n", "2: [receiver] queue_user: it needs queue = jetstream:..., too"),
        (
            R + "queue_user = u\nqueue_password = p\n",
            "3: [receiver] queue_password: it needs queue = jetstream:..., too",
        ),
        (R + "queue = jetstream:n:4222\nqueue_user = u\n", "3: [receiver] queue_user: it needs queue_password, too"),
        (
            R + "queue = jetstream:n:4222\nqueue_password = p\n",
            "3: [receiver] queue_password: it needs queue_user, too",
        ),
        (R + "store_password = p\n", "2: [receiver] store_password: it needs store = postgresql://..., too"),
        (
            R + "max_body = 32KiB\n",
            "1: [receiver] max_line: 65536 bytes are more than a body may have (32768, max_body)",
        ),
        (
            R + "max_body = 128MiB\n",
            "1: [receiver] max_pending: 67108864 bytes are less than one body may have (134217728, max_body)",
        ),
        (
            R + "queue_bytes = 1MiB\n",
            "2: [receiver] queue_bytes: 1048576 bytes are less than one body may have (4194304, max_body)",
        ),
        (
            R + "line_paths = /log/*, /put\n",
            "1: [receiver] put_paths: /put stands in line_paths, too; what comes there can be only one of them",
        ),
        (
            R + "[source:a]\n",
            "2: [source:a]: nothing shows who sends as it; give it a token, username and password, or",
        ),
        (R + "[source:a]\ntoken = ${T}\n", "3: [source:a] token: the environment has no T"),
        (
            R + "[source:a]\ntoken = s3 cret\n",
            "3: [source:a] token: it has blanks, or characters that are not ASCII; no header carries it as it is",
        ),
        (R + TOKEN + "[source:b]\ntoken = s3cret\n", "5: [source:b] token: it is that of [source:a], too"),
        (
            R + "[source:a]\nusername = a:b\npassword = p\n",
            "3: [source:a] username: a user of basic authentication has no colon in its name",
        ),
        (R + "[source:a]\nusername = u\n", "3: [source:a] username: it needs password, too"),
        (R + "[source:a]\npassword = p\n", "3: [source:a] password: it needs username, too"),
        (
            R + "[source:a]\nusername = u\npassword = p\n[source:b]\nusername = u\npassword = q\n",
            "6: [source:b] username: u is that of [source:a], too",
        ),
        (
            R + TOKEN + "silent_after = 500ms\n",
            "4: [source:a] silent_after: 500ms is too short; write 1s to 366d, or 0s where it may be silent for ever",
        ),
        (
            R + TOKEN + f"silent_after = {'9' * 400}d\n",
            f"4: [source:a] silent_after: {'9' * 400}d is too long; write 1s to 366d, or 0s where it may be silent",
        ),
        (
            R + TOKEN + "silent_after = 600\n",
            "4: [source:a] silent_after: '600' is not a duration; write a number with a unit, such as 10s, 500ms, 2m",
        ),
        ("[node]\nlog = file:/x\n" + TOKEN, "3: [source:a]: there is no [receiver]"),
        (
            R + "[log:receiver]\nlog = file:/x\npattern.a = b\n",
            "2: [log:receiver]: the name receiver is taken by [receiver]",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_cure(text: str, said: str) -> None:
    assert [problem for problem in problems(text) if problem.startswith(f"c.ini:{said}")], problems(text)


def test_one_mistake_is_not_told_twice() -> None:
    """A section that is wrong by itself is no missing one, and a secret is never shown."""
    assert len(problems(R + "listen = 0.0.0.0:8016\n[source:a]\ntoken = s3cret\nadresses = 10.0.0.0/8\n")) == 1
    assert len(problems("[receiver]\nlisten = 8016\n" + TOKEN)) == 1
    assert "s3cret" not in "".join(problems(R + TOKEN + "[source:b]\ntoken = s3cret\n[source:c]\ntoken = s3cret\n"))


def test_all_are_told_at_once() -> None:
    """In the order of their lines."""
    text = R + "tls_cert = /c\nlines_confirm = yes\nstore_password = p\n[source:a]\n"
    assert [problem.split(": ")[0] for problem in problems(text)] == [f"c.ini:{line}" for line in (2, 3, 4, 5)]
