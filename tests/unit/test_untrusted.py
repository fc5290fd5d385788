"""Texts from outside, made fit to be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.untrusted import fit_to_show, parsed_json

ANY = st.text(st.characters())
"""Halves of surrogate pairs as well: JSON can spell them, and UTF-8 cannot."""


@given(ANY, st.integers(2, 50))
def test_whatever_a_stranger_says_is_one_short_printable_line(text: str, longest: int) -> None:
    shown = fit_to_show(text, longest=longest)
    assert shown.isprintable()
    assert len(shown) <= longest


@given(ANY, st.text(st.characters(), min_size=4), ANY, st.integers(2, 50))
def test_a_secret_never_comes_back_whatever_stands_around_it(
    before: str, secret: str, after: str, longest: int
) -> None:
    shown = fit_to_show(f"{before}{secret}{after}", [secret], longest)
    assert secret not in shown.replace("(secret)", "")


def test_a_line_of_a_log_cannot_be_forged_and_a_terminal_not_coloured() -> None:
    said = fit_to_show("no\r\n2026-01-01 ERROR forged\x1b[31m\u202e\x00line\u2028")
    assert said == "no 2026-01-01 ERROR forged [31m line"


@pytest.mark.parametrize(
    ("secret", "echo"),
    [("pass  word", "pass  word"), ("pass word", "pass\nword"), ("pass\tword", "pass\tword")],
    ids=["more than one space", "joined from two lines", "a tab"],
)
def test_a_secret_is_masked_before_and_after_its_text_becomes_one_line(
    secret: str, echo: str
) -> None:
    assert fit_to_show(f"said {echo}.", [secret]) == "said (secret)."


def test_a_secret_is_masked_before_the_text_is_cut() -> None:
    shown = fit_to_show(
        "x" * 290 + "my-token-of-twenty-characters", ["my-token-of-twenty-characters"]
    )
    assert "my-" not in shown


@pytest.mark.parametrize(
    "echo",
    [
        'p w&ü"x',
        "p%20w%26%C3%BC%22x",
        "p+w%26%C3%BC%22x",
        'p w&ü\\"x',
        'p w&\\u00fc\\"x',
        "cCB3JsO8Ing=",
    ],
)
def test_a_secret_is_known_in_every_spelling_of_a_request_and_an_answer(echo: str) -> None:
    assert fit_to_show(f"said <{echo}>", ['p w&ü"x']) == "said <(secret)>"


def test_what_is_nested_without_end_is_no_json() -> None:
    for depth in (10_000, 200_000):
        with pytest.raises(ValueError, match="deep"):
            parsed_json("[" * depth)
    assert parsed_json('{"a": [1]}') == {"a": [1]}
