"""QR codes for terminals."""

import io


def drawn(code: str) -> str:
    """A QR code in half blocks, to be scanned from a terminal."""
    import segno  # noqa: PLC0415 - few ever draw one

    out = io.StringIO()
    segno.make(code, error="l", micro=False).terminal(out, border=2, compact=True)
    return out.getvalue()
