"""Lidbook over HTTP: the FastAPI app, the server's settings and the command line.

May import `lidbook`; imports no engine and is imported by none.
"""
