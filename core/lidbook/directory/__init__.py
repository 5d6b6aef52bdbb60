"""The directory: persons, LID pairs, groups and blocklist of every session, kept as facts and served as documents.

May import identifiers, facts, values, errors and hookspecs; knows no engine, no session life cycle and no HTTP.
"""
