"""`python -m lidbook_sandbox.network` is `lidbook sandbox`."""

import typer

from lidbook_sandbox.commands import serve

if __name__ == "__main__":
    typer.run(serve)
