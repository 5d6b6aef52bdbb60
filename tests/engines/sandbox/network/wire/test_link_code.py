"""Pairing by code: a real client's pairing again, our own companion, and wrong codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidbook_sandbox.network.wire.errors import Malformed, WrongCode
from lidbook_sandbox.network.wire.keys import KeyPair
from lidbook_sandbox.network.wire.link_code import BUNDLE_SIZE, CodeEntry, unwrap, wrap, written

from .companion import CodeCompanion
from .vectors import unhex, vectors


@pytest.mark.parametrize("client", ["code", "baileys"])
def test_a_real_client_s_key_bundle_opens_to_its_adv_secret(client: str) -> None:
    known = vectors("pairing")[client]
    code = written(known.pop("code"))
    values = unhex(known)
    companion = unwrap(code, values["companion_hello"])
    primary = unwrap(code, values["wrapped"])
    assert len({companion, primary, values["companion_hello"][48:], values["wrapped"][48:]}) == 4
    entry = CodeEntry(KeyPair.of(values["phone_private"]), values["shared"], values["wrapped"])
    agreed = entry.finish(values["bundle"], values["companion_identity"])
    assert agreed.adv_secret == values["adv_secret"]
    assert agreed.companion_identity == values["companion_identity"]


def test_a_real_client_s_ephemeral_key_is_unlocked_by_its_code() -> None:
    known = vectors("pairing")["baileys"]
    ephemeral = KeyPair.of(bytes.fromhex(known["companion_ephemeral_private"]))
    assert unwrap(written(known["code"]), bytes.fromhex(known["companion_hello"])) == ephemeral.public


@pytest.mark.parametrize("typed", ["ABCD-1234", "abcd1234", " abcd 1234 ", "ABCD\u00a01234"])
def test_a_code_is_taken_however_it_was_typed(typed: str) -> None:
    assert written(typed) == "ABCD1234"


@pytest.mark.parametrize("typed", ["", "ABCD-123", "ABCD-12345", "ABCD_1234", "ÄBCD1234", "ABCD١٢٣٤"])
def test_what_is_no_code_is_refused(typed: str) -> None:
    with pytest.raises(WrongCode, match="eight letters and digits"):
        written(typed)


@given(typed=st.text(max_size=12))
def test_any_text_is_a_code_or_refused(typed: str) -> None:
    try:
        code = written(typed)
    except WrongCode:
        return
    assert len(code) == 8
    assert written(code) == code


def test_a_wrapped_key_comes_out_with_its_code_only() -> None:
    public = KeyPair.generate().public
    wrapped = wrap("ABCD1234", public)
    assert unwrap("ABCD1234", wrapped) == public
    assert unwrap("ABCD1235", wrapped) != public


def test_phone_and_companion_agree() -> None:
    phone, companion = KeyPair.generate(), CodeCompanion("ABCD1234", KeyPair.generate())
    entry = CodeEntry.begin("abcd-1234", phone, companion.hello)
    bundle = companion.answer(entry.wrapped, phone.public)
    agreed = entry.finish(bundle, companion.identity.public)
    assert agreed.adv_secret == companion.adv_secret
    assert agreed.companion_identity == companion.identity.public


def test_a_wrong_code_shows_in_the_companion_s_bundle() -> None:
    phone, companion = KeyPair.generate(), CodeCompanion("ABCD1234", KeyPair.generate())
    entry = CodeEntry.begin("ABCD1235", phone, companion.hello)
    with pytest.raises(WrongCode, match="another code"):
        entry.finish(companion.answer(entry.wrapped, phone.public), companion.identity.public)


def test_a_code_that_unlocks_no_usable_key_is_wrong() -> None:
    with pytest.raises(WrongCode, match="no usable key"):
        CodeEntry.begin("ABCD1234", KeyPair.generate(), wrap("ABCD1234", bytes(32)))


def test_a_bundle_for_another_phone_is_malformed() -> None:
    phone, companion = KeyPair.generate(), CodeCompanion("ABCD1234", KeyPair.generate())
    entry = CodeEntry.begin("ABCD1234", phone, companion.hello)
    with pytest.raises(Malformed, match="other identity keys"):
        entry.finish(companion.answer(entry.wrapped, KeyPair.generate().public), companion.identity.public)


def test_a_bundle_of_another_companion_is_malformed() -> None:
    phone, companion = KeyPair.generate(), CodeCompanion("ABCD1234", KeyPair.generate())
    entry = CodeEntry.begin("ABCD1234", phone, companion.hello)
    with pytest.raises(Malformed, match="other identity keys"):
        entry.finish(companion.answer(entry.wrapped, phone.public), KeyPair.generate().public)


def test_wrong_lengths_are_malformed() -> None:
    with pytest.raises(Malformed, match="80 bytes, not 79"):
        CodeEntry.begin("ABCD1234", KeyPair.generate(), bytes(79))
    entry = CodeEntry(KeyPair.generate(), bytes(32), bytes(80))
    with pytest.raises(Malformed, match=f"{BUNDLE_SIZE} bytes, not 0"):
        entry.finish(b"", bytes(32))


def test_secrets_are_never_shown() -> None:
    shared = KeyPair.generate().public
    assert repr(shared) not in repr(CodeEntry(KeyPair.generate(), shared, bytes(80)))
