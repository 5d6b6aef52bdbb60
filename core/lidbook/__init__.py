"""Lidbook's core: identifiers, the engine contract, the directory, sessions and the simulated world.

Knows no HTTP and no engine; may import neither `lidbook_api` nor any engine package.
"""

__version__ = "0.1.0"
