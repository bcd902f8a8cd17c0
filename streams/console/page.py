"""The report's page: its frame, style sheet, tables, all without scripts or outside requests."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#16202c;--soft:#5b6776;
--line:#dde2e8;--observed:#1f5fbf;--expected:#7b8794;
--band:#d9e2ee;--excess:#f3b0a8;--critical:#c02a1c;
--warning:#a85f00;--info:#1f6f8b;--good:#1d7a46;--hole:#eee7d3;
--learning:#efeaf6}
@media(prefers-color-scheme:dark){:root{--page:#10151c;--card:#19212b;--ink:#e7ecf2;--soft:#9aa7b5;
--line:#303b48;--observed:#7fb2ff;--expected:#8794a3;--band:#2a3747;--excess:#7d3b35;
--critical:#ff8577;--warning:#f2b34b;--info:#6fc3dd;--good:#63c78f;--hole:#3a3523;
--learning:#2b2536}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:19px;margin:40px 0 10px}
h3{font-size:18px;margin:0;overflow-wrap:anywhere}
h4{font-size:13px;margin:0 0 6px;color:var(--soft);font-weight:600}
p{margin:6px 0}
.soft{color:var(--soft)}
.verdict{font-size:18px;font-weight:600;margin:12px 0 18px}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;
padding:16px 18px;margin:14px 0}
.card.critical{border-left:5px solid var(--critical)}
.card.warning{border-left:5px solid var(--warning)}
.card.info{border-left:5px solid var(--info)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:10px;margin:0}
.figures div{background:var(--card);border:1px solid var(--line);border-radius:8px;
padding:10px 12px}
dt{color:var(--soft);font-size:13px}
dd{margin:0}
.figures dd{font-size:21px;font-weight:600;line-height:1.25;font-variant-numeric:tabular-nums}
.figures dd small{display:block;font-size:12px;font-weight:400;color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:10px 22px;
margin:14px 0}
.facts dd{overflow-wrap:anywhere}
.title{display:flex;flex-wrap:wrap;align-items:center;gap:8px 10px}
.badge{font-size:12px;font-weight:700;text-transform:uppercase;letter-spacing:.03em;
padding:1px 8px;border-radius:10px;border:1px solid currentColor;white-space:nowrap}
.badge.critical{color:var(--critical)}.badge.warning{color:var(--warning)}
.badge.info{color:var(--info)}.badge.closed{color:var(--good)}.badge.open,.badge.peaked{color:var(--soft)}
.caution{border-left:3px solid var(--warning);padding-left:10px;margin:8px 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600;font-size:13px;vertical-align:bottom}
tr:last-child td{border-bottom:0}
th.n,td.n{text-align:right}
td.n{white-space:nowrap}
td.t{white-space:nowrap}
td.b{width:20%;min-width:40px;vertical-align:middle}
td.wide{width:45%}
td.w{overflow-wrap:anywhere;min-width:100px}
td.cause{min-width:190px}
.three td.w{min-width:150px}
.three{display:grid;grid-template-columns:repeat(auto-fit,minmax(270px,1fr));gap:16px 28px}
details{margin-top:12px}
details .scroll{margin:12px 0}
summary{cursor:pointer;color:var(--soft)}
a{color:var(--observed)}
svg{display:block}
.chart{overflow:visible;margin-top:4px}
.chart text{font-size:11px;fill:var(--soft);paint-order:stroke;stroke:var(--card);stroke-width:3px;
stroke-linejoin:round}
.plot path,.plot line{vector-effect:non-scaling-stroke}
path.band{fill:var(--band)}path.excess{fill:var(--excess)}
path.expected{fill:none;stroke:var(--expected);stroke-width:1.2;stroke-dasharray:4 3}
path.observed{fill:none;stroke:var(--observed);stroke-width:1.6;stroke-linejoin:round}
rect.hole{fill:var(--hole)}rect.learning{fill:var(--learning)}
line.grid{stroke:var(--line)}line.base,line.tick{stroke:var(--expected)}
text.centre{text-anchor:middle}text.until{text-anchor:end}
line.curve{stroke:var(--observed);stroke-width:1.6}circle.dot{fill:var(--observed)}
line.mark{stroke:var(--ink);stroke-dasharray:2 3}
.chart text.mark,.chart text.lane{fill:var(--ink)}
rect.lane.critical{fill:var(--critical)}rect.lane.warning{fill:var(--warning)}
rect.lane.info{fill:var(--info)}
.chart text.inside{fill:var(--ink)}
.bar .rest{fill:var(--band)}.bar .part{fill:var(--observed)}
.legend{font-size:12px;color:var(--soft)}
.key{display:inline-block;width:18px;height:9px;margin:0 5px 0 12px;vertical-align:baseline}
.key:first-child{margin-left:0}
.key.observed{height:0;border-top:2px solid var(--observed);vertical-align:middle}
.key.expected{height:0;border-top:2px dashed var(--expected);vertical-align:middle}
.key.band{background:var(--band)}.key.excess{background:var(--excess)}.key.hole{background:var(--hole)}
.key.learning{background:var(--learning)}
code{font-size:13px;overflow-wrap:anywhere}
@media(max-width:640px){main{padding:18px 12px 40px}.card{padding:12px}h1{font-size:22px}
.chart .odd,.chart .wide{display:none}.verdict{font-size:16px}
.stacks thead{display:none}
.stacks tr{display:block;padding:8px 0;border-bottom:1px solid var(--line)}
.stacks tr:last-child{border-bottom:0}
.stacks td{display:flex;justify-content:space-between;gap:12px;border:0;padding:2px 0;
text-align:right}
.stacks td:first-child{justify-content:flex-start}
.stacks td::before{content:attr(data-name);color:var(--soft);text-align:left;white-space:nowrap}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb}
body{font-size:11px}main{max-width:none;padding:0}.card,.figures div,tr{break-inside:avoid}
h2{break-after:avoid}.scroll{overflow:visible}}
"""


def page(title: str, body: Iterable[str], refresh_s: int | None = None) -> str:
    """Return a whole HTML document.

    The policy allows one style sheet, named by its hash, and nothing else: no script, image, font,
    frame, form or request. So even text that slipped through unescaped could not do anything.

    Args:
        title: HTML-safe.
        body: HTML of the page's sections.
        refresh_s: seconds after which a browser asks for it again; None for never.
    """
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    refresh = [f'<meta http-equiv="refresh" content="{refresh_s}">'] if refresh_s else []
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            *refresh,
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
            *body,
            "</main>\n</body>\n</html>\n",
        ]
    )


def table(
    columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], *, stacks: bool = False
) -> str:
    """Return a table that scrolls sideways on a narrow screen, or shows its rows as cards there.

    Args:
        columns: heading and class of each; the class is n (number), t (time), b (bar), w (words).
        rows: HTML-safe cells.
        stacks: as cards: for a wide table of which no column may be out of sight.
    """
    head = "".join(
        f'<th class="n">{name}</th>' if css == "n" else f"<th>{name}</th>" for name, css in columns
    )
    kind = ' class="stacks"' if stacks else ""
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{css}" data-name="{name}">{cell}</td>'
            for cell, (name, css) in zip(row, columns, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def definitions(css: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Return a list of named values; both sides HTML-safe."""
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="{css}">{items}</dl>'
