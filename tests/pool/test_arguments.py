"""A wId that was read badly is refused by what is wrong with it, never mended in silence."""

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.loops import on_asyncio
from wxcontacts_async import (
    Failed,
    Gateway,
    Instance,
    InvalidArgumentError,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import GatewayEmulator
from wxcontacts_async.store import ContactStore
from wxcontacts_async.validation import check_w_id


@pytest.mark.parametrize(
    ("w_id", "what"),
    [
        ("a\n", "a line end at character 2 of 2, as 'a\\n' has. Strip it first: `line.strip()`"),
        ("a\r\n", "a line end at character 2 of 3"),
        (" a", "white space (U+0020) at character 1 of 2, as ' a' has. Strip it first"),
        ("a b", "white space (U+0020) at character 2 of 3, as 'a b' has"),
        ("ab\u3000c", "white space (U+3000) at character 3 of 4"),
        ("a\tb", "white space (U+0009) at character 2 of 3"),
        ("a\x00", "a control character (U+0000) at character 2 of 2"),
        ("a\x7fb", "a control character (U+007F) at character 2 of 3"),
        ("\ufeffa", "a byte order mark (U+FEFF) at character 1 of 2"),
        ("a\u200b", "an invisible character (U+200B) at character 2 of 2"),
        ("a\u2060b", "an invisible character (U+2060) at character 2 of 3"),
        ("\u202aa", "an invisible character (U+202A) at character 1 of 2"),
    ],
)
def test_what_no_id_has_is_refused_by_its_kind_and_its_place(w_id: str, what: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        Instance(w_id)
    assert f"w_id must not have {what}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_id_between_others_need_not_be_stripped_by_its_reader() -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        check_w_id("a b")
    assert "trip" not in str(raised.value)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "M"]), min_size=1))
def test_all_other_text_is_an_id(w_id: str) -> None:
    check_w_id(w_id)


@given(st.text(), st.text(), st.sampled_from("\n\r\t \x00\x1b\x7f\x85\xa0\u2028\u3000\ufeff\u200b"))
def test_wherever_it_stands_it_is_refused(before: str, after: str, odd: str) -> None:
    with pytest.raises(InvalidArgumentError):
        check_w_id(before + odd + after)


@pytest.mark.parametrize(
    ("argument", "refused"),
    [
        ("base_url", lambda: Gateway("ftp://localhost")),
        ("headers", lambda: Gateway("http://localhost", headers={"a": "\n"})),
        ("proxy", lambda: Gateway("http://localhost", proxy="ftp://localhost")),
        ("attempts", lambda: RetryPolicy(0)),
        ("gateways", lambda: SessionPool({"a": 1})),  # type: ignore[dict-item]
        ("w_id", lambda: Instance("")),
        ("url", lambda: ContactStore("mysql://localhost")),
    ],
)
def test_an_error_names_the_argument_also_after_pickling(
    argument: str,
    refused: Callable[[], object],
) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        refused()
    again = pickle.loads(pickle.dumps(raised.value))  # noqa: S301  # our own bytes
    assert (raised.value.argument, again.argument) == (argument, argument)
    assert str(again) == str(raised.value)


@on_asyncio
async def test_a_line_that_was_not_stripped_fails_its_instance_and_is_never_called() -> None:
    async with (
        GatewayEmulator(["a", "b"], contacts=1) as emulator,
        SessionPool(emulator.url) as pool,
        pool.stream(["a\n", "b"]) as outcomes,
    ):
        ended = {outcome.w_id: outcome async for outcome in outcomes}
        assert [call.w_id for call in emulator.calls] == ["b"]
    assert isinstance(ended["a\n"], Failed)
    assert isinstance(ended["a\n"].error, InvalidArgumentError)
