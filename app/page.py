"""The script that Streamlit runs for every tab. All of it lives in :mod:`winnow.app.shell`."""

from winnow.app import shell

shell.run()
