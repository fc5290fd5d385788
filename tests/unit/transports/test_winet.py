"""The pure parts of the web API: ways, words, spliced messages, certificates' names, accounts."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather import errors
from sungather.transports.certificate_pin import Trust
from sungather.transports.winet_endpoints import NEW, OLD, Endpoint, endpoints, words_of
from sungather.transports.winet_messages import Splicer, data_of, result_of
from sungather.transports.winet_session import Credentials, account
from sungather.transports.winet_wire import LONGEST

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("port", "remembered", "tls_only", "expected"),
    [
        (None, "", False, (NEW, OLD)),
        (None, "http:8082", False, (OLD, NEW)),
        (None, "https:443", False, (NEW, OLD)),
        (None, "http:8082", True, (NEW,)),
        (443, "", False, (NEW,)),
        (8082, "", False, (OLD,)),
        (8443, "", False, (Endpoint(True, 8443, 8443), Endpoint(False, 8443, 8443))),
        (8443, "http:8443", False, (Endpoint(False, 8443, 8443), Endpoint(True, 8443, 8443))),
        (8443, "", True, (Endpoint(True, 8443, 8443),)),
    ],
)
def test_the_way_that_worked_last_comes_first_and_a_trusted_host_only_with_tls(
    port: int | None, remembered: str, tls_only: bool, expected: tuple[Endpoint, ...]
) -> None:
    assert endpoints(port, remembered, tls_only) == expected


def test_words_are_hex_bytes_in_big_endian_pairs() -> None:
    assert words_of("0E 12 FF ff 00 01 ", 3) == [0x0E12, 0xFFFF, 1]


@pytest.mark.parametrize("text", ["", "0E", "0E 12 00", "0E 1G", None, 5, ["0E", "12"]])
def test_anything_but_the_words_asked_for_is_an_error(text: object) -> None:
    with pytest.raises(EOFError):
        words_of(text, 1)


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=100))
def test_every_block_survives_its_way_as_text(words: list[int]) -> None:
    text = "".join(f"{byte:02X} " for word in words for byte in word.to_bytes(2, "big"))
    assert words_of(text, len(words)) == words


@given(st.dictionaries(st.text(), JSON), st.lists(st.integers(0, 400), max_size=4))
def test_a_message_cut_anywhere_comes_out_whole_and_once(
    message: dict[str, object], cuts: list[int]
) -> None:
    message = {**message, "result_code": 1}
    text = json.dumps(message)
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    splicer = Splicer()
    parts = [text[a:b] for a, b in itertools.pairwise(edges)]
    assert [one for one in map(splicer.feed, parts) if one is not None] == [message]


@given(st.lists(st.text(max_size=30), max_size=8))
def test_no_text_from_outside_keeps_a_later_message_from_being_read(texts: list[str]) -> None:
    splicer = Splicer()
    for text in texts:
        splicer.feed(text)
    assert splicer.feed('{"result_code": 1}') == {"result_code": 1}


def test_a_message_without_end_does_not_fill_the_memory() -> None:
    splicer = Splicer()
    splicer.feed("{" + " " * (LONGEST - 1))
    with pytest.raises(EOFError, match="too long"):
        splicer.feed(" ")


@given(st.dictionaries(st.sampled_from(["result_code", "result_msg", "result_data"]), JSON))
def test_answers_of_any_shape_have_a_result(answer: dict[str, object]) -> None:
    code, reason = result_of(answer)
    assert isinstance(code, int)
    assert len(reason) <= 80
    assert isinstance(data_of(answer), dict)


@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [
        ("", "", Credentials("user", "pw1111")),
        ("admin", "", Credentials("admin", "pw8888")),
        ("", "own", Credentials("user", "own")),
        ("jo", "own", Credentials("jo", "own")),
    ],
)
def test_what_is_not_set_of_the_account_is_the_factorys(
    username: str, password: str, expected: Credentials
) -> None:
    assert account(username, password) == expected


def test_a_user_of_ones_own_needs_a_password() -> None:
    with pytest.raises(errors.LoginRefused, match=r"inverter\.password is not set"):
        account("jo", "")


def test_tls_is_a_must_once_a_certificate_is_trusted() -> None:
    assert not Trust("", {}).wanted
    assert Trust("", {"certificate": "00"}).wanted
    assert Trust("PEM", {}).wanted
