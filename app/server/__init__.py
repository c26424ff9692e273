"""The server around the pages: start, security, sign-in, and the state that all sessions share.

In: HTTP requests. Out: routes, sign-in, signed links, and opened workspaces.
"""
