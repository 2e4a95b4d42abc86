"""Running text for an application: read, split, and made numbers once a process."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from rnnjax.applications.application import SPLITS
from rnnjax.applications.network import Networked
from rnnjax.data import corpus
from rnnjax.errors import check, check_choice


@dataclasses.dataclass(frozen=True)
class RunningText(Networked):
    """An application whose examples are one long text, as characters or as words.

    The data: a text file, of which the first 90 % are for training, 5 % for validation and 5 % for the test; or a
    folder with a file each, known by "train", "valid" and "test" in their names. Characters: the alphabet is that of
    all three parts, as usual, and nothing is unknown. Words: what stands between spaces, with `<eos>` at the end of
    each line; the vocabulary is that of the training text.

    Args:
      level: "char" or "word".
      min_count: how often a word has to occur in the training text to be in the vocabulary; unless given, once where
        the text has words `<unk>` itself, and else twice.
      vocabulary: the most words; all unless given.

    Raises:
      InputError: an unknown level, or options of words with characters.
    """

    _: dataclasses.KW_ONLY
    level: str = "char"
    min_count: int | None = None
    vocabulary: int | None = None

    def __post_init__(self):
        super().__post_init__()
        check_choice("level", self.level, ("char", "word"))
        for field in ("min_count", "vocabulary"):
            given = getattr(self, field)
            check(given is None or self.level == "word", field, given, 'None, or level "word"')

    def fit_data(self) -> dict[str, Any]:
        """The tokens, by number: characters in the order of their code points, words from the most frequent on."""
        place = (self.data, self.tfds, self.data_dir)
        if self.level == "char":
            return {"tokens": list(corpus.characters_of(*texts(*place).values()))}
        training = words(*place)["train"]
        return {"tokens": list(corpus.common_words(training, self.min_count, self.vocabulary))}

    def examples(self, split: str) -> Any:
        """A split as one array of token numbers, `[tokens]` int32."""
        check_choice("split", split, SPLITS)
        place = (self.data, self.tfds, self.data_dir)
        return encoded(*place, self.level, tuple(self.fitted()["tokens"]))[split]

    def encode(self, text: str, argument: str = "text") -> np.ndarray:
        """The numbers of the tokens of a text, `[tokens]` int32.

        Raises:
          InputError: unknown characters; or unknown words, where the vocabulary has no `<unk>`.
        """
        tokens = self.fitted()["tokens"]
        if self.level == "char":
            return corpus.encode_characters(text, tokens, argument)
        ended = text.endswith("\n")
        found = corpus.words_of(text)
        return corpus.encode_words(found if ended else found[:-1], tokens, argument)

    def decode(self, codes: Any) -> str:
        """The text of token numbers."""
        tokens = self.fitted()["tokens"]
        found = [tokens[code] for code in np.asarray(codes).tolist()]
        if self.level == "char":
            return "".join(found)
        return (
            " ".join("\n" if word == corpus.END else word for word in found).replace(" \n", "\n").replace("\n ", "\n")
        )


@functools.lru_cache(maxsize=4)
def texts(data: str, tfds: str, data_dir: str) -> dict[str, str]:
    """The texts of `data`, or of the feature "text" of a TFDS data set: "train", "validation" and "test", or "whole".

    Raises:
      InputError: texts that cannot be read, or a data set without training split or texts.
    """
    if not tfds:
        return corpus.read_texts(data)
    from rnnjax.data.tfds import splits

    parts = {split: source for split, source in splits(tfds, data_dir).items() if split in SPLITS}
    check("train" in parts, "tfds", tfds, "a data set with a split train")
    for source in parts.values():
        check(len(source) > 0 and "text" in source[0], "tfds", tfds, 'a data set with the feature "text"')
    read = {split: "\n".join(_string(source[i]["text"]) for i in range(len(source))) for split, source in parts.items()}
    return read if len(read) == len(SPLITS) else {corpus.WHOLE: read["train"]}


@functools.lru_cache(maxsize=2)
def words(data: str, tfds: str, data_dir: str) -> dict[str, list[str]]:
    """The words of each split, `<eos>` at the end of each line."""
    found = {split: corpus.words_of(text) for split, text in texts(data, tfds, data_dir).items()}
    return found if corpus.WHOLE not in found else corpus.by_position(found[corpus.WHOLE])


@functools.lru_cache(maxsize=4)
def encoded(data: str, tfds: str, data_dir: str, level: str, tokens: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Each split as the numbers of its characters or words, `[tokens]` int32."""
    if level == "word":
        parts = words(data, tfds, data_dir)
        return {split: corpus.encode_words(part, tokens, f"data ({split})") for split, part in parts.items()}
    found = texts(data, tfds, data_dir)
    codes = {split: corpus.encode_characters(text, tokens, f"data ({split})") for split, text in found.items()}
    return codes if corpus.WHOLE not in codes else corpus.by_position(codes[corpus.WHOLE])


def _string(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
