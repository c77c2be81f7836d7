"""The receiver's page: its standing in, one HTML text out. No scripts, nothing loaded from anywhere."""

from __future__ import annotations

from html import escape
from typing import Any

from keeper.page_style import STYLE
from keeper.receiver import chart
from keeper.receiver.page_tables import came, inside
from keeper.receiver.words import notable, well, wrong
from keeper.runtime.clock import iso

REFRESH_SECONDS = 5

_STYLE = """
h3 { font-size:1rem; font-weight:600; margin:.9rem 0 .2rem } .wide { overflow-x:auto }
.note { border-left:.35rem solid #d0912b; padding:.35rem .7rem; margin:.35rem 0; background:#d0912b18 }
.well { border-left:.35rem solid var(--ok); padding:.35rem .7rem; margin:.35rem 0; background:#2e9e5b18 }
.say { font-size:1.08em; overflow-wrap:anywhere } .facts > span { display:inline-block }
td.num, th.num { text-align:right; padding-right:1.2rem } td.bar { width:22%; min-width:4rem }
th, td.since, .pill { white-space:nowrap }
td.bar i { display:block; height:.8em; margin-top:.25em; background:#4c8dd6; border-radius:2px }
td.name, td.why { overflow-wrap:anywhere; min-width:7rem }
"""


def render(standing: dict[str, Any]) -> str:
    """The whole page for one `Standing.shown()`."""
    faults, notes = wrong(standing), notable(standing)
    state, word = ("failing", "something is wrong") if faults else ("ok", "all well")
    said = [("firing", text) for text in faults] or [("well", well(standing))]
    said += [("note", text) for text in notes]
    name = escape(standing["name"])
    return "\n".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8>",
            f"<meta http-equiv=refresh content={REFRESH_SECONDS}><meta name=viewport content='width=device-width'>",
            f"<title>{state}: receiver {name}</title><style>{STYLE}{_STYLE}{chart.STYLE}</style>",
            f"<h1>receiver {name} <span class='pill {state}'>{word}</span> "
            f"<span class=dim>{iso(standing['now'])[:19].replace('T', ' ')} UTC</span></h1>",
            *(f"<p class='{kind} say'>{escape(text)}</p>" for kind, text in said),
            came(standing),
            inside(standing),
            f"<p class=dim>keeper {escape(standing['version'])}, up since "
            f"{iso(standing['started'])[:19].replace('T', ' ')} UTC. "
            "Also: <a href=/metrics>/metrics</a>, <a href=/api/v1/status>/api/v1/status</a></p></html>",
        ]
    )
