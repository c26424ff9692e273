"""The script that Streamlit runs for every tab. All of it lives in :mod:`winnow.app.pages.router`."""

from winnow.app.pages import router

router.run()
