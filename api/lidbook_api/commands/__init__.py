"""The commands of `lidbook` beside `serve`: each module a `typer.Typer`, light to import, heavy things inside.

They speak to a running server over HTTP, or work on a data dir that no server has.
"""
