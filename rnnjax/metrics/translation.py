"""Metrics of translations, as sacrebleu computes them: BLEU and chrF, of a whole corpus, between 0 and 100.

Both take text as people write it, not tokens: sacrebleu brings its own tokeniser, so that figures of different papers
mean the same (Post 2018, arXiv:1804.08771).
"""

from __future__ import annotations

from collections.abc import Sequence

from rnnjax.errors import InputError, check
from rnnjax.metrics.counting import Rows, kept_rows


def bleu(
    answers: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    mask: Rows | None = None,
    *,
    lowercase: bool = False,
    tokenize: str = "13a",
) -> float:
    """BLEU of a corpus (Papineni et al. 2002, doi:10.3115/1073083.1073135), between 0 and 100.

    Args:
      answers: `[rows]` translations, as plain text.
      references: `[rows]` texts, or for each row a list of texts.
      mask: `[rows]`, above zero where a row counts.
      lowercase: whether capitals do not matter.
      tokenize: sacrebleu's tokeniser.

    Raises:
      InputError: no rows, numbers of rows that differ, or what is not text.
    """
    from sacrebleu.metrics.bleu import BLEU

    answers, streams = _corpus(answers, references, mask)
    return float(BLEU(lowercase=lowercase, tokenize=tokenize).corpus_score(answers, streams).score)


def chrf(
    answers: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    mask: Rows | None = None,
    *,
    words: int = 0,
) -> float:
    """chrF of a corpus (Popovic 2015, doi:10.18653/v1/W15-3049), between 0 and 100: F2 of character n-grams up to 6.

    Args:
      answers: `[rows]` translations, as plain text.
      references: `[rows]` texts, or for each row a list of texts.
      mask: `[rows]`, above zero where a row counts.
      words: the longest word n-gram that counts too; 2 is chrF++.

    Raises:
      InputError: no rows, numbers of rows that differ, or what is not text.
    """
    from sacrebleu.metrics.chrf import CHRF

    answers, streams = _corpus(answers, references, mask)
    return float(CHRF(word_order=words).corpus_score(answers, streams).score)


def _corpus(answers, references, mask) -> tuple[list[str], list[list[str]]]:
    """Answers, and references as sacrebleu wants them: first references of all rows, second ones of all rows, ..."""
    answers, references = list(answers), list(references)
    check(len(answers) == len(references), "answers", f"{len(answers)} rows", f"{len(references)}, as references")
    several = [[row] if isinstance(row, str) else list(row) for row in references]
    places = kept_rows(mask, len(answers))
    answers, several = [answers[place] for place in places], [several[place] for place in places]
    check(len(answers) > 0, "answers", "no rows", "at least one row that counts")
    for argument, texts in (("answers", answers), ("references", [text for row in several for text in row])):
        strange = [text for text in texts if not isinstance(text, str)]
        if strange:
            raise InputError(argument, strange[0], "plain text")
    counts = {len(row) for row in several}
    check(min(counts) > 0, "references", "a row without any", "at least one text a row")
    rows: list = [row + [None] * (max(counts) - len(row)) for row in several]
    return answers, [list(stream) for stream in zip(*rows, strict=True)]
