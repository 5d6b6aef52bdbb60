"""Sessions: what is stored of them, how they run, and the live calls that reach their engines.

May import everything else in core; knows no HTTP.
"""
