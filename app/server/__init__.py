"""What stands before the pages: the server, who may enter, and what is shared between sessions.

In: HTTP requests. Out: routes, sign-in, signed links, and opened workspaces.
"""
