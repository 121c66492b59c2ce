"""A comparison as one HTML file that opens from disk, with nothing to be fetched from anywhere."""

from __future__ import annotations

from html import escape

from plotly.offline import get_plotlyjs

from hpsearch.analysis.comparison import Comparison
from hpsearch.analysis.text import notes, table
from hpsearch.report.pictures import Picture, pictures

_STYLE = """
body { font-family: system-ui, sans-serif; color: #222; max-width: 1180px; margin: 2rem auto; padding: 0 1.5rem; }
h1 { margin-bottom: 0.2rem; }
.about { color: #555; margin-top: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; font-size: 0.92rem; }
th { text-align: left; vertical-align: bottom; border-bottom: 2px solid #999; max-width: 11rem; }
th, td { padding: 0.35rem 0.9rem 0.35rem 0; }
td { border-bottom: 1px solid #ddd; white-space: nowrap; }
figure { margin: 2rem 0; }
figcaption, .note { color: #555; font-size: 0.9rem; max-width: 60rem; }
"""
_SETTINGS = {"displaylogo": False, "responsive": True}


def html_report(comparison: Comparison) -> str:
    """Return the whole page: table, what a reader must know, pictures. Plotly's code is part of it."""
    title = escape(comparison.study)
    drawn = "\n".join(_figure(picture) for picture in pictures(comparison))
    told = "\n".join(f'<p class="note">{escape(note)}</p>' for note in notes(comparison))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: comparison</title>
<style>{_STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<h1>{title}</h1>
<p class="about">{escape(comparison.description)}</p>
<div class="wide">{_table(table(comparison))}</div>
{told}
{drawn}
</body>
</html>
"""


def _figure(picture: Picture) -> str:
    drawn = picture.figure.to_html(full_html=False, include_plotlyjs=False, config=_SETTINGS)
    return f"<figure>{drawn}<figcaption>{escape(picture.caption)}</figcaption></figure>"


def _table(lines: list[dict[str, str]]) -> str:
    if not lines:
        return "<p>No trial has ended yet.</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in lines[0])
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line.values()) + "</tr>\n" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table>"
