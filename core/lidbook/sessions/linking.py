"""What a session shows while its device is being linked."""

from lidbook.passkey import PasskeyChallenge
from lidbook.sessions.context import Report
from lidbook.values import SessionStatus


class Linking:
    """QR code, passkey challenge and confirmation code: in memory only, each for as long as its status lasts."""

    def __init__(self) -> None:
        self.qr: str | None = None
        self.challenge: PasskeyChallenge | None = None
        self.code: str | None = None

    def take(self, report: Report) -> bool:
        """Keep what a report shows; says whether that is another than was shown before."""
        before = self.qr, self.challenge, self.code
        self.qr = report.qr or self.qr
        self.challenge = report.challenge or self.challenge
        self.code = report.code or self.code
        return (self.qr, self.challenge, self.code) != before

    def keep_for(self, status: SessionStatus) -> None:
        """Forget what belongs to other statuses."""
        if status is not SessionStatus.SCAN_QR_CODE:
            self.qr = None
        if status is not SessionStatus.PASSKEY_REQUIRED:
            self.challenge = None
        if status is not SessionStatus.PASSKEY_CONFIRMATION_REQUIRED:
            self.code = None
