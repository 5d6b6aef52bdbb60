"""The compliance tests, a topic a file; `EngineCompliance` is all of them. Imported by test runs alone.

Each test's docstring says what is asked of an engine, and after *If this fails*, where to look.
"""
