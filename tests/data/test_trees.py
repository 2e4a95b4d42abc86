"""Sentiment trees: phrases, and errors that name the line."""

from __future__ import annotations

import pytest

from rnnjax import InputError
from rnnjax.data.files import Entry
from rnnjax.data.trees import looks_like_trees, phrases, read_trees


def entry(text):
    return Entry("trees.txt", lambda: text.encode())


def test_phrases_stand_with_the_whole_first():
    found = phrases("(3 (2 A) (4 (4 good) (2 (2 -LRB-) (1 either\\/or))))")
    assert [(phrase.grade, " ".join(phrase.words)) for phrase in found] == [
        (3, "A good ( either/or"),
        (2, "A"),
        (4, "good ( either/or"),
        (4, "good"),
        (2, "( either/or"),
        (2, "("),
        (1, "either/or"),
    ]


def test_lines_keep_their_numbers():
    assert [number for number, _ in read_trees(entry("(2 a)\n\n  \n(3 (2 b) (2 c))\n"))] == [1, 4]


@pytest.mark.parametrize(
    "line", ["(2 a", "(2 a))", "(5 a)", "(a b)", "(2 )", "a (2 b)", "(2 a) (2 b)", "(2 (3 a) (", "label\ttext"]
)
def test_what_is_no_tree_is_named_by_file_and_line(line):
    with pytest.raises(InputError) as error:
        read_trees(entry(f"(2 a)\n{line}\n"))
    assert error.value.argument == "trees.txt, line 2"


def test_trees_are_told_from_other_lines():
    assert looks_like_trees(entry("\n(3 (2 a) (2 b))"))
    assert not looks_like_trees(entry("(a) label\ttext")) and not looks_like_trees(entry(""))
