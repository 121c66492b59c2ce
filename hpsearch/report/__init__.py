"""Pictures and pages of what `hpsearch.analysis` returns.

pictures   a comparison as Plotly figures
page       table and pictures as one HTML file
"""
