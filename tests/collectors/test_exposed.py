"""What collectors measure, as Prometheus takes it."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from keeper.collectors.exposed import Exposed, name_of
from keeper.collectors.known import read_series
from keeper.core.point import Series
from tests.peers.prometheus import promtool


class Page:
    """A metrics page with a clock of its own."""

    def __init__(self, *counters: str, most: int = 100) -> None:
        self.now = 1000.0
        self.exposed = Exposed(counters, lambda: self.now, most)
        self._registry = CollectorRegistry()
        self._registry.register(self.exposed)
        self._series: dict[tuple[str, str], Series] = {}

    def take(self, collector: str, text: str, value: float, lasts: float = 30.0) -> None:
        series = self._series.setdefault((collector, text), read_series(text))
        self.exposed.take(collector, [(series, value)], self.now + lasts)

    @property
    def text(self) -> str:
        return generate_latest(self._registry).decode()

    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(
    ("word", "name"),
    [("df.percent", "df_percent"), ("a-b/c.d", "a_b_c_d"), ("9lives", "_9lives"), ("a_b", "a_b"), ("-", "_")],
)
def test_names_are_made_by_the_documented_rule(word: str, name: str) -> None:
    assert name_of(word) == name


def test_the_newest_value_of_each_series_is_shown_until_it_is_too_old() -> None:
    page = Page()
    page.take("df", "df.percent mount=/", 12)
    page.take("df", "df.percent mount=/data", 13)
    page.now += 20
    page.take("df", "df.percent mount=/", 14)
    assert page.lines() == [
        'df_percent{collector="df",mount="/"} 14.0',
        'df_percent{collector="df",mount="/data"} 13.0',
    ]
    page.now += 20
    assert page.lines() == ['df_percent{collector="df",mount="/"} 14.0']
    page.exposed.drop_old()
    assert len(page.exposed) == 1
    page.exposed.forget("df")
    assert page.lines() == []
    assert len(page.exposed) == 0


def test_types_come_from_the_configuration() -> None:
    page = Page("net.bytes", "net.errors_total")
    page.take("net", "net.bytes", 1)
    page.take("net", "net.errors_total", 2)
    page.take("net", "net.up", 3)
    assert "# TYPE net_bytes_total counter" in page.text
    assert page.lines() == [
        'net_bytes_total{collector="net"} 1.0',
        'net_errors_total{collector="net"} 2.0',
        'net_up{collector="net"} 3.0',
    ]


def test_nothing_of_it_is_taken_for_keepers_own_or_for_another_script() -> None:
    """A metric that looks like keeper's, a tag that looks like our label, and two scripts with one series."""
    page = Page()
    page.take("a", "keeper.role collector=me 9x=y __name__=z", 1)
    page.take("b", "same", 2)
    page.take("a", "same", 3)
    assert page.lines() == [
        'collector_keeper_role{_9x="y",_name__="z",collector="a",exported_collector="me"} 1.0',
        'same{collector="a"} 3.0',
        'same{collector="b"} 2.0',
    ]


def test_two_that_come_to_one_are_shown_once() -> None:
    """Prometheus refuses a page that has a series twice: the first by its own name is shown."""
    page = Page()
    page.take("x", "a.b", 1)
    page.take("x", "a-b", 2)
    page.take("x", "c p.q=1", 3)
    page.take("x", "c p-q=1", 4)
    assert [line for line in page.lines() if line.startswith("a_b")] == ['a_b{collector="x"} 2.0']
    assert len([line for line in page.lines() if line.startswith("c{")]) == 1


def test_a_gauge_with_the_name_of_a_counter_makes_no_second_family() -> None:
    """`a` as a counter and `a.total` as a gauge are both `a_total`; so are `b` as the one and `b` as the other not."""
    page = Page("a", "b.x")
    page.take("x", "a", 1)
    page.take("x", "a.total", 2)
    page.take("y", "a.total", 3)
    page.take("x", "b.x", 4)
    page.take("x", "b_x", 5)
    assert sorted(page.lines()) == [
        'a_total{collector="x"} 1.0',
        'a_total{collector="y"} 3.0',
        'b_x_total{collector="x"} 4.0',
        'b_x{collector="x"} 5.0',
    ]
    assert page.text.count("# TYPE a_total ") == 1
    assert promtool("check", "metrics", stdin=page.text).returncode in (0, 3)  # 3: it dislikes the gauge's name


def test_another_type_holds_at_once() -> None:
    page = Page("a")
    page.take("x", "a", 1)
    page.take("x", "b", 2)
    page.exposed.count(["b"])
    assert page.lines() == ['a{collector="x"} 1.0', 'b_total{collector="x"} 2.0']
    page.take("x", "b", 3)
    assert page.lines() == ['a{collector="x"} 1.0', 'b_total{collector="x"} 3.0']


def test_series_are_bounded_and_counted() -> None:
    page = Page(most=2)
    for n in range(4):
        page.take("x", f"a n={n}", n)
    page.take("x", "a n=0", 9)
    assert len(page.lines()) == 2
    assert page.exposed.left_out == 2
    assert 'a{collector="x",n="0"} 9.0' in page.lines()


def test_promtool_finds_it_well_formed() -> None:
    page = Page("net.bytes")
    page.take("net", "net.bytes iface=eth0", 2**63)
    page.take("df", "df.percent mount=/a/b.c-d_e", 1.5)
    assert promtool("check", "metrics", stdin=page.text).returncode == 0
