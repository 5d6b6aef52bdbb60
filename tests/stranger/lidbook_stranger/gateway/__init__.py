"""A simulated gateway: a world of `lidbook.world` behind HTTP, for trying the engine without WhatsApp.

The engine knows nothing of this package; they share the wire alone.
"""
