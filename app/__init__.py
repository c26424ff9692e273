"""Winnow in the browser (Streamlit)."""
