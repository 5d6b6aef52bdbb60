"""Linking an account that asks for its passkey: what to sign, what was signed, the code to confirm."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from lidbook.capabilities import Capability
from lidbook.errors import InvalidState
from lidbook.passkey import PasskeyAssertion
from lidbook_api.access.scopes import Scope
from lidbook_api.answers import json_answer, nothing
from lidbook_api.bodies import Fields, base64url, read_object
from lidbook_api.core import running, served_by
from lidbook_api.faults import Faults, InvalidFields, refuse
from lidbook_api.operation import Fault, Operation, ref
from lidbook_api.parameters import SESSION_PATH
from lidbook_api.shown import passkey_challenge, passkey_confirmation

_NO_CHALLENGE: Final = "No passkey challenge is pending for the session"
_NO_CONFIRMATION: Final = "No passkey confirmation is pending for the session"


async def get_passkey_challenge(request: Request) -> Response:
    """What the account's passkey has to sign."""
    session = running(request, request.scope["path_params"]["session"])
    challenge = passkey_challenge(session)
    if challenge is None:
        raise InvalidState(_NO_CHALLENGE)
    session.require(Capability.SESSION_PASSKEY)
    return json_answer(challenge, served_by(session))


async def submit_passkey(request: Request) -> Response:
    """What the account's passkey has signed."""
    assertion = _assertion(await read_object(request))
    session = running(request, request.scope["path_params"]["session"])
    session.require(Capability.SESSION_PASSKEY)
    if passkey_challenge(session) is None:
        raise InvalidState(_NO_CHALLENGE)
    await session.live.answer_passkey(assertion)
    return nothing(served_by(session), status=201)


async def get_passkey_confirmation(request: Request) -> Response:
    """The code that has to be the one on the phone."""
    session = running(request, request.scope["path_params"]["session"])
    confirmation = passkey_confirmation(session)
    if confirmation is None:
        raise InvalidState(_NO_CONFIRMATION)
    session.require(Capability.SESSION_PASSKEY)
    return json_answer(confirmation, served_by(session))


async def confirm_passkey(request: Request) -> Response:
    """That it is."""
    session = running(request, request.scope["path_params"]["session"])
    session.require(Capability.SESSION_PASSKEY)
    if passkey_confirmation(session) is None:
        raise InvalidState(_NO_CONFIRMATION)
    await session.live.confirm_passkey()
    return nothing(served_by(session), status=201)


def _assertion(fields: Fields) -> PasskeyAssertion:
    """A credential as browsers' `toJSON` writes it. Raises `InvalidFields` with every fault."""
    faults: Faults = []
    credential_id, raw_id = base64url(fields, "id", faults), base64url(fields, "rawId", faults)
    if fields.get("type") != "public-key":
        faults.append("type must be public-key")
    signed = fields.get("response")
    if not isinstance(signed, dict):
        raise InvalidFields([*faults, "response must be an object"])

    def part(name: str) -> str:
        return base64url(signed, name, faults, "response.")

    client_data, authenticator_data, signature = part("clientDataJSON"), part("authenticatorData"), part("signature")
    user_handle = None if signed.get("userHandle") is None else part("userHandle")
    refuse(faults)
    return PasskeyAssertion(credential_id, raw_id, client_data, authenticator_data, signature, user_handle)


_TAG: Final = "Pairing"
_BROWSER: Final = (
    "To be signed in the account owner's browser, on a page of https://web.whatsapp.com: "
    "`navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(challenge)})`."
)

OPERATIONS: Final = (
    Operation(
        "GET",
        "/api/{session}/auth/passkey/challenge",
        get_passkey_challenge,
        _TAG,
        "Get the passkey challenge",
        f"Only while the session is in status PASSKEY_REQUIRED; otherwise 422. {_BROWSER}",
        (SESSION_PATH,),
        answer=ref("PasskeyOptions"),
        headers=("Lidbook-Engine",),
        faults=(Fault.NOT_FOUND, Fault.UNPROCESSABLE, Fault.NOT_SUPPORTED),
        scope=Scope.CONTROL,
    ),
    Operation(
        "POST",
        "/api/{session}/auth/passkey",
        submit_passkey,
        _TAG,
        "Answer the passkey challenge",
        "The credential that the browser gave, as its `toJSON()` has it; other keys are ignored. One that does not fit "
        "the challenge is a 422, and may be followed by another one. Taken, the session is WORKING soon, or in status "
        "PASSKEY_CONFIRMATION_REQUIRED.",
        (SESSION_PATH,),
        body=ref("PasskeyCredentialJson"),
        body_example={
            "id": "AX8bTgH2",
            "rawId": "AX8bTgH2",
            "type": "public-key",
            "response": {
                "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
                "authenticatorData": "SZYN5YgO",
                "signature": "MEUCIQDx",
                "userHandle": None,
            },
        },
        status=201,
        headers=("Lidbook-Engine",),
        faults=(Fault.NOT_FOUND, Fault.UNPROCESSABLE, Fault.RATE_LIMITED, Fault.FAILED, Fault.NOT_SUPPORTED),
        scope=Scope.CONTROL,
    ),
    Operation(
        "GET",
        "/api/{session}/auth/passkey/confirmation",
        get_passkey_confirmation,
        _TAG,
        "Get the passkey's confirmation code",
        "Only while the session is in status PASSKEY_CONFIRMATION_REQUIRED; otherwise 422. The account's owner "
        "compares it with the code on the phone.",
        (SESSION_PATH,),
        answer=ref("PasskeyConfirmation"),
        headers=("Lidbook-Engine",),
        faults=(Fault.NOT_FOUND, Fault.UNPROCESSABLE, Fault.NOT_SUPPORTED),
        scope=Scope.CONTROL,
    ),
    Operation(
        "POST",
        "/api/{session}/auth/passkey/confirm",
        confirm_passkey,
        _TAG,
        "Confirm the passkey's code",
        "That both codes are the same: the session is WORKING soon.",
        (SESSION_PATH,),
        status=201,
        headers=("Lidbook-Engine",),
        faults=(Fault.NOT_FOUND, Fault.UNPROCESSABLE, Fault.RATE_LIMITED, Fault.FAILED, Fault.NOT_SUPPORTED),
        scope=Scope.CONTROL,
    ),
)
