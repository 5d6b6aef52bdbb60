"""The address book as a device reads it, and as the world has it."""

from lidbook.identifiers import Lid, PhoneNumber, UserId, parse_user
from lidbook_sandbox.network.phone import Phone
from lidbook_sandbox.network.wire.app_state import Mutation, Operation
from lidbook_sandbox.network.wire.wire_pb2 import ContactAction, SyncActionValue

CONTACTS, SETTINGS, REGULAR = "critical_unblock_low", "critical_block", "regular"
AMELIA, OWEN, RORY = PhoneNumber("447700900101"), PhoneNumber("447700900106"), PhoneNumber("447700900104")
Names = dict[UserId, tuple[str | None, str | None, str | None]]


def told(mutations: list[Mutation], names: Names | None = None) -> Names:
    """First name, full name and LID of everybody, after these mutations."""
    found: Names = {} if names is None else names
    for mutation in mutations:
        if mutation.index[0] != "contact":
            continue
        user = parse_user(mutation.index[1])
        if mutation.operation is Operation.REMOVE or mutation.action is None:
            found.pop(user, None)
        else:
            action = mutation.action.contactAction
            found[user] = (action.firstName or None, action.fullName or None, action.lidJID or None)
    return found


def true(phone: Phone) -> Names:
    """The same as the world has it."""
    return {
        saved.person.id: (
            saved.first_name,
            saved.full_name,
            str(saved.person.lid) if saved.person.lid is not None and saved.person.phone is not None else None,
        )
        for saved in phone.service.address_book()
    }


def saving(user: UserId, first: str | None, full: str | None, at: int = 1) -> Mutation:
    """A contact as a client writes it."""
    jid = f"{user.digits}@{'lid' if isinstance(user, Lid) else 's.whatsapp.net'}"
    action = ContactAction(firstName=first, fullName=full, saveOnPrimaryAddressbook=True)
    return Mutation(Operation.SET, ("contact", jid), SyncActionValue(timestamp=at, contactAction=action), 2)


def removing(user: UserId) -> Mutation:
    """A contact as a client removes it."""
    jid = f"{user.digits}@{'lid' if isinstance(user, Lid) else 's.whatsapp.net'}"
    return Mutation(Operation.REMOVE, ("contact", jid), SyncActionValue(timestamp=1), 2)
