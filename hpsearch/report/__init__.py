"""Pictures (Plotly) and pages (Jinja2) of what `hpsearch.analysis` returns.

comparison_page   a comparison as Plotly figures, and as one HTML file from comparison.html.jinja
"""
