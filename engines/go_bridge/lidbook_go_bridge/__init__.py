"""The engine `go-bridge`: whatsmeow, in a host written in Go that is built on the user's machine.

Imports `lidbook` only. The host's sources are in `bridge/`.
"""
