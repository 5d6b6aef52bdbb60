"""Who may do what: keys, scopes, and the record of what was done with them.

May import the core and what answers and errors are made of; routes and the gate import it.
"""
