"""The log of each session: what changed, in order, and who has read how far.

Directory and sessions write it, in the transaction of the change itself; may import the core's values and its database.
"""
