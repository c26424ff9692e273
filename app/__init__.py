"""Winnow's app in the browser (Streamlit).

In: a workspace, through ``winnow.core``. Out: pages, and the routes that serve them.
"""
