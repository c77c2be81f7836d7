"""Bars over hours as an SVG picture that fits any width. Its words are HTML beside it, so that they never shrink."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from math import floor, log10
from typing import NamedTuple

from keeper.receiver.stores.store import HOUR

HEIGHT = 100
TICK = 6  # hours between two words below

COLOURS = ("#4c8dd6", "#e0913a", "#2e9e5b", "#a06cd5", "#c9a227", "#3aa6a0")
OTHERS = "#8a8f98"

STYLE = """
.charts { display:grid; grid-template-columns:repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap:.4rem 1.6rem }
.chart { position:relative; padding-left:3.6rem }
.chart svg { width:100%; height:8.5rem; border-bottom:1px solid var(--dim); overflow:visible }
.chart .top, .chart .half { position:absolute; left:0; width:3.2rem; text-align:right; font-size:11px; color:var(--dim);
line-height:1; transform:translateY(-50%) } .chart .top { top:0 } .chart .half { top:4.25rem }
.ticks { position:relative; height:1rem; margin-left:3.6rem; font-size:11px; color:var(--dim) }
.ticks span { position:absolute; transform:translateX(-50%); white-space:nowrap }
.legend { margin:.3rem 0 1rem } .legend span { margin-right:1rem; white-space:nowrap }
.legend i { display:inline-block; width:.7em; height:.7em; margin-right:.35em; border-radius:2px }
.chart rect { shape-rendering:crispEdges }
.chart g:hover .column { fill:currentColor; fill-opacity:.1 } .chart .column { fill:transparent }
"""


class Series(NamedTuple):
    """What one colour shows: a number for each hour."""

    name: str
    colour: str
    numbers: Sequence[int]


def stacked(title: str, first: int, series: Sequence[Series]) -> str:
    """The hours from `first` (seconds since the epoch) on, one series upon the other. The last hour is not over yet."""
    hours = len(series[0].numbers)
    totals = [sum(one.numbers[place] for one in series) for place in range(hours)]
    top = above(max(totals))
    grid = "".join(
        f"<line x1=0 x2={hours * 10} y1={y} y2={y} stroke='var(--line)' vector-effect=non-scaling-stroke />"
        for y in (0, HEIGHT / 2)
    )
    columns = "".join(_column(place, first + place * HOUR, series, top, place == hours - 1) for place in range(hours))
    ticks = "".join(
        f"<span style='left:{100 * place / hours:.2f}%'>{_tick(first + place * HOUR)}</span>"
        for place in range(1, hours - 1)
        if (first // HOUR + place) % TICK == 0
    )
    return (
        f"<div><h3>{escape(title)} <span class=dim>{sum(totals):,}</span></h3><div class=chart>"
        f"<svg viewBox='0 0 {hours * 10} {HEIGHT}' preserveAspectRatio=none role=img "
        f"aria-label='{escape(title)}, {sum(totals)} in {hours} hours'>{grid}{columns}</svg>"
        f"<span class=top>{top:,}</span>{f'<span class=half>{top // 2:,}</span>' if top > 1 else ''}</div>"
        f"<div class=ticks>{ticks}</div></div>"
    )


def legend(series: Sequence[Series]) -> str:
    spans = "".join(f"<span><i style='background:{one.colour}'></i>{escape(one.name)}</span>" for one in series)
    return f"<div class=legend>{spans}</div>"


def above(most: int) -> int:
    """The next of 1, 2, 4, 6, 8, 10, 20, 40 ... that is not below: its half is a whole number, too."""
    if most <= 1:
        return 1
    power: int = 10 ** floor(log10(most))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= most)


def _column(place: int, hour: int, series: Sequence[Series], top: int, going_on: bool) -> str:
    shown = [one for one in series if one.numbers[place]]
    total = sum(one.numbers[place] for one in shown)
    words = [f"{_hour(hour)}: {total:,}{' so far' if going_on else ''}"]
    words += [f"{one.name} {one.numbers[place]:,}" for one in shown]
    parts = []
    y = float(HEIGHT)
    for one in shown:
        height = HEIGHT * one.numbers[place] / top
        y -= height
        parts.append(f"<rect x={place * 10 + 1} y={y:.2f} width=8 height={height:.2f} fill='{one.colour}'/>")
    faint = " fill-opacity=.55" if going_on else ""
    return (
        f"<g{faint}><title>{escape(chr(10).join(words))}</title>"
        f"<rect class=column x={place * 10} y=0 width=10 height={HEIGHT} />{''.join(parts)}</g>"
    )


def _hour(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%a %d %b %H:%M} UTC"


def _tick(at: int) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%a %d}" if moment.hour == 0 else f"{moment:%H:%M}"
