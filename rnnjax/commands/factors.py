"""Options with several values, as the commands that train many runs read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rnnjax.errors import check

WHOLE = ("--data", "--data-dir", "--csv", "--tfds")
"""Options whose value may have a comma in it."""

NOT_OF_A_RUN = (
    "--resume", "--overwrite", "--tensorboard", "--checkpoint-every", "--devices", "--folds", "--test", "--distributed",
    "--coordinator", "--process-id",
)  # fmt: skip
"""Options of `rnnjax train` that are not about what is trained."""

_MOST = 100_000


def options_in(
    command: str, words: Sequence[str], own: Collection[str], flags: Collection[str]
) -> tuple[dict[str, str], dict[str, str | None]]:
    """Words as options with their values, which stand behind the option or behind its `=`.

    Args:
      command: the name of the command, for errors.
      words: what was written.
      own: options of the command itself, each with a value.
      flags: those without.

    Returns:
      The command's own options, and the others, of which one without a value has `None`.

    Raises:
      InputError: a word that is no option, an option that is given twice, or one without its value.
    """
    left, mine, others = list(words), {}, {}
    while left:
        name, equals, value = left.pop(0).partition("=")
        check(name.startswith("--") and len(name) > 2, command, name, "an option, such as --cell lstm,gru")
        name = name.replace("_", "-")
        check(name not in mine and name not in others, name, value, "each option once")
        if name in flags:
            check(not equals, name, value, "no value")
            mine[name] = "yes"
            continue
        bare = not equals and (not left or left[0].startswith("--"))
        value = value if equals or bare else left.pop(0)
        if name in own:
            check(bool(value), name, value, "a value")
            mine[name] = value
        else:
            others[name] = None if bare else value
    return mine, others


def values_in(name: str, text: str | None) -> tuple[str, ...]:
    """The values of an option, with commas in between; an option without a value has one, the empty string.

    Raises:
      InputError: an empty value, or the same one twice.
    """
    if text is None:
        return ("",)
    parts = (text,) if name in WHOLE else tuple(part.strip() for part in text.split(","))
    check(all(parts), name, text, "values with commas in between")
    check(len(set(parts)) == len(parts), name, text, "values that differ")
    return parts


def words_of(name: str, value: str) -> list[str]:
    """An option with one of its values as `rnnjax train` reads it: several words have blanks in between."""
    return [name, *([value] if name in WHOLE else value.split())]


def whole_number(given: dict[str, str], name: str, default: int | None, least: int = 1) -> int | None:
    """The whole number that was given for an option.

    Raises:
      InputError: something else, or one that is too small or too large.
    """
    if name not in given:
        return default
    text = given[name]
    valid = text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= _MOST
    check(valid, name, text, f"an int from {least} to {_MOST}")
    return int(text)
