"""The routes beside Streamlit, by what they serve. ``winnow.app.routes`` puts them together."""
