"""The metrics behind `/metrics`: counted in plain numbers while the server works, put into words when somebody scrapes.

May import the core and the API's services; of the routes, only that of `/metrics` imports it.
"""
