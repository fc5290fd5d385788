"""What the lab sets every option to is right or wrong, as it says: a new kind shows here."""

from pathlib import Path

from sungather.options.check import check
from tests.lab import option_texts


def test_the_right_texts_are_taken_together(tmp_path: Path) -> None:
    texts = option_texts.right(tmp_path, str(tmp_path))
    assert [problem.message for problem in check(texts).problems] == []


def test_each_wrong_text_is_refused() -> None:
    wrong = option_texts.wrong()
    named = {problem.key for problem in check(wrong).problems}
    assert wrong.keys() - named == set()
