"""What goes over the wire: framing, Noise, binary XML, signatures, app state. No I/O, and nothing of a world.

Imports nothing else of the network.
"""
