"""The routes beside Streamlit, by what they serve. ``winnow.app.server.routes`` puts them together."""
