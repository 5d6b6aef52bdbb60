"""The websocket `/ws`: events as they are committed, read from each session's log.

May import the core and the API's settings, keys and events; of the routes, nothing imports it but the app.
"""
