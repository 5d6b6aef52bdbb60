"""The engine `sandbox`: a simulated WhatsApp in this process, so that everything works offline, at once.

Imports `lidbook` only; the worlds themselves are `lidbook.world`.
"""
