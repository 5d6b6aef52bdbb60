"""Lidbook measured against the limits it is held to: `python -m bench` prints one table.

Run it from the checkout with the project installed. Everything happens on loopback and in temporary folders: one server
process with its API key asked for, a load generator in another with 32 connections, each asking again as soon as it was
answered. Nothing else may import this package.

How to read the table:

* *figure* is what was measured; for rates the answers a second, with the times after which 50, 95 and 99 of 100 were
  there, and the server's CPU time for each beside the floor's. A figure such as `0.71 / 0.70 / 0.69 F` is the ratio
  to the floor at several sizes, and the ratio behind it that of the last to the first.
* *floor* is the same figure of a bare FastAPI route that returns a small dict (uvicorn, uvloop, httptools), measured
  right before and after. For a dump it is reading and joining the stored documents in process.
* *ratio* is figure to floor, and it travels: a machine twice as fast, or half as free, moves both. Of every load
  several turns are taken, far apart, and the turn with the median ratio is shown.
* *limit* is what must be reached, at 100,000 persons, and the word behind it says whether it was. Rows without one
  explain the others.
* *peer* is WAHA 2025.11.3 with its NOWEB store, measured once, elsewhere: an order of magnitude, not a comparison.

The lines above the table say how disturbed the run was: what others used of the machine, and how long a fixed loop took
when the machine was quickest and when slowest. Where that is much, compare ratios and the CPU column, and run it again
before believing an absolute figure.
"""
