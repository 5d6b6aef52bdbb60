"""The simulated WhatsApp: people, numbers, LIDs, groups, privacy and pictures, and what a server says of them.

May import the rest of `lidbook`; engines, the network simulator and the compliance kit import it.
"""
