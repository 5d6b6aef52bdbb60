"""Connections: what a client may cost before anybody knows who it is, and how the server ends.

May import `answers` and uvicorn; knows no route, no key and no session.
"""
