"""How many examples a property is tried with: a quarter of them, unless all are asked for."""

from hypothesis import settings

_ALL = 100  # of a property that says no number


def register() -> None:
    """Make few examples the rule, and all of them what `--hypothesis-profile=thorough` asks for."""
    # An example has no deadline, as a busy machine would not meet it.
    settings.register_profile("thorough", max_examples=_ALL, deadline=None)
    settings.register_profile("few", max_examples=_ALL // 4, deadline=None)
    settings.load_profile("few")


def examples(number: int) -> int:
    """Return how many of so many are tried now."""
    few_or_all: int = settings().max_examples
    return number * few_or_all // _ALL
