"""The routes beside Streamlit, one module for each resource; ``winnow.app.server.routes`` lists them.

In: checked requests (:class:`winnow.app.api.endpoint.Call`). Out: JSON, framed arrays and pictures.
"""
