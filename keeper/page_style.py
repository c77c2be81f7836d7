"""How keeper's pages look, in light and in dark."""

STYLE = """
:root { color-scheme: light dark; --ok:#2e9e5b; --failing:#d43f3a; --unknown:#8a8f98; --line:#8885; --dim:#888; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.25rem; margin: 0 0 .6rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; }
.pill { display:inline-block; padding:.05rem .55rem; border-radius:1rem; color:#fff; font-size:.85em; }
.ok { background:var(--ok) } .failing { background:var(--failing) } .unknown { background:var(--unknown) }
.firing { border-left:.35rem solid var(--failing); padding:.35rem .7rem; margin:.35rem 0; background:#d43f3a18; }
.dim { color:var(--dim) } table { border-collapse:collapse; width:100% } td,th { text-align:left; vertical-align:top;
padding:.18rem .6rem .18rem 0; border-bottom:1px solid var(--line) } th { font-weight:600; color:var(--dim) }
.facts > span { margin-right:1.4rem; white-space:nowrap } .facts b { font-variant-numeric:tabular-nums }
.windows { display:flex; flex-wrap:wrap; gap:.3rem; margin:.4rem 0 } svg { display:block }
.num { font-variant-numeric: tabular-nums; white-space: nowrap }
"""
