"""Whose directory it is: bound to the first account that is linked, by its LID, until the session is reset."""

from collections.abc import Callable

from lidbook.directory.database import Database
from lidbook.directory.directory import Directory
from lidbook.facts import Fact, Field, FieldFact, LinkFact, Source
from lidbook.sessions import rows
from lidbook.values import Account


async def bind(
    database: Database, session: int, directory: Directory, account: Account, clock: Callable[[], int]
) -> bool:
    """Bind a session's directory to the account, and have it know the account itself; False when it is another's."""
    lid = str(account.lid)
    bound = await database.write(lambda connection: rows.bind_account(connection, session, lid))
    if bound != lid:
        return False
    if not _is_known(directory, account):
        now = clock()
        me: list[Fact] = [
            LinkFact(account.phone, account.lid, Source.ACCOUNT, now),
            FieldFact(account.lid, Field.ME, value=True, source=Source.ACCOUNT, observed_at=now),
        ]
        if account.pushname:
            me.append(FieldFact(account.lid, Field.PUSHNAME, account.pushname, Source.ACCOUNT, now))
        await directory.apply(me)
    return True


def _is_known(directory: Directory, account: Account) -> bool:
    if directory.known(account.lid, Field.ME) is None or directory.phone_pair(account.phone).lid != account.lid:
        return False
    name = directory.known(account.lid, Field.PUSHNAME)
    return not account.pushname or (name is not None and name[0] == account.pushname)
