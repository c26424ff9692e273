"""Everything Plotly or JavaScript."""
