"""BLEU and chrF: sacrebleu's own functions give the same figures."""

import pytest

from rnnjax.errors import InputError
from rnnjax.metrics import bleu, chrf

sacrebleu = pytest.importorskip("sacrebleu")

ANSWERS = ["Ein Mann in einem blauen Hemd.", "Zwei Hunde spielen im Schnee .", "", "Das Kind lacht"]
REFERENCES = ["Ein Mann im blauen Hemd.", "Zwei Hunde spielen im Schnee.", "Nichts zu sehen", "Ein Kind lacht laut!"]
OTHERS = ["Ein Mann, der ein blaues Hemd trägt.", "Im Schnee spielen zwei Hunde.", "Nichts", "Das Kind lacht"]


def test_figures_are_those_of_sacrebleu():
    """Corpus figures, with one reference a row and with several."""
    assert bleu(ANSWERS, REFERENCES) == pytest.approx(sacrebleu.corpus_bleu(ANSWERS, [REFERENCES]).score, abs=1e-9)
    assert chrf(ANSWERS, REFERENCES) == pytest.approx(sacrebleu.corpus_chrf(ANSWERS, [REFERENCES]).score, abs=1e-9)
    several = list(zip(REFERENCES, OTHERS, strict=True))
    expected = sacrebleu.corpus_bleu(ANSWERS, [REFERENCES, OTHERS]).score
    assert bleu(ANSWERS, several) == pytest.approx(expected, abs=1e-9)
    assert bleu(ANSWERS, several) > bleu(ANSWERS, REFERENCES)
    expected = sacrebleu.corpus_chrf(ANSWERS, [REFERENCES], word_order=2).score
    assert chrf(ANSWERS, REFERENCES, words=2) == pytest.approx(expected, abs=1e-9)


def test_the_truth_has_a_hundred_and_capitals_matter_unless_told():
    assert bleu(REFERENCES, REFERENCES) == pytest.approx(100)
    assert chrf(REFERENCES, REFERENCES) == pytest.approx(100)
    small = [text.lower() for text in REFERENCES]
    assert bleu(small, REFERENCES) < 100
    assert bleu(small, REFERENCES, lowercase=True) == pytest.approx(100)


def test_masked_rows_do_not_count():
    mask = [1, 1, 0, 1]
    rows = [0, 1, 3]
    chosen = [ANSWERS[row] for row in rows], [REFERENCES[row] for row in rows]
    assert bleu(ANSWERS, REFERENCES, mask) == bleu(*chosen)
    assert chrf(ANSWERS, REFERENCES, mask) == chrf(*chosen)


@pytest.mark.parametrize("metric", [bleu, chrf])
def test_bad_texts_are_one_error(metric):
    for answers, references, words in (
        ([], [], "no rows"),
        (["a"], ["a", "b"], "1 rows"),
        ([["a"]], ["a"], "plain text"),
        (["a"], [[]], "at least one text"),
        (["a"], [[3]], "plain text"),
    ):
        with pytest.raises(InputError, match=words):
            metric(answers, references)
