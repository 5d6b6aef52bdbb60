"""The sandbox network: a WhatsApp service on loopback to which unmodified client libraries pair and log in.

The lower half is the wire (keys to app state; no I/O), the upper half the service over a world. Only what runs
the network imports this package: it needs the extra `sandbox`.
"""
