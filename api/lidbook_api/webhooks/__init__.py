"""Webhooks: each session's log, sent to each of its URLs in order, until it is taken.

May import the core, `events` and `shown`; knows no request and no route.
"""
