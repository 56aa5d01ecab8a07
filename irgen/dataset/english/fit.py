"""Steps as text of a bounded number of words: what does not fit is summed up in the middle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from irgen.dataset.english.words import count_words, listed
from irgen.dataset.english.writer import Step

_SUMMARY = 14
"""Words kept free for what is left out."""
_LEAST = 12
"""A step with bodies is cut within where so many words are left for it."""
_NOUNS = 4
_NAMES = 3
"""So many nouns and names of what is left out are told."""


def fit(steps: Sequence[Step], words: int, inside: bool = False) -> list[str]:
    """The steps in words, at most about so many; the first and last ones are kept.

    Steps with bodies that stand inside another sentence are put in parentheses.
    """
    if sum([step.words for step in steps]) <= words:
        return [_text(step, step.words, inside) for step in steps]
    left = words - _SUMMARY
    ends: tuple[list[str], list[str]] = ([], [])
    first, last = 0, len(steps)
    at_end = True
    while first < last:
        step = steps[last - 1] if at_end else steps[first]
        room = left + _SUMMARY if last - first == 1 else left
        if step.words <= room:
            text = _text(step, step.words, inside)
        elif step.bodies and room >= _LEAST + count_words(step.text):
            text = _text(step, room, inside)
        else:
            break
        ends[at_end].append(text)
        left -= count_words(text)
        first, last = (first, last - 1) if at_end else (first + 1, last)
        at_end = not at_end
    middle = [_summary(steps[first:last])] if first < last else []
    return [*ends[0], *middle, *ends[1][::-1]]


def _text(step: Step, words: int, inside: bool) -> str:
    """A step and its bodies."""
    if not step.bodies:
        return step.text
    left = words - count_words(step.text)
    share = sum([inner.words for _, steps in step.bodies for inner in steps])
    text = step.text
    for lead, steps in step.bodies:
        own = sum([inner.words for inner in steps])
        body = "; ".join(fit(steps, left * own // max(1, share), inside=True))
        text += f"; {lead}: {body}" if lead else f": {body}"
    return f"({text})" if inside else text


def _summary(steps: Sequence[Step]) -> str:
    """What is left out: how many steps, the ops that stand out in them, and what they name."""
    counts = Counter([noun for step in steps for noun in step.nouns])
    names = list(dict.fromkeys([name for step in steps for name in step.names]))
    text = f"{len(steps)} more step{'s' if len(steps) > 1 else ''}"
    if counts:
        text += f" with {listed(common(counts))}"
    if names:
        text += f" for {listed(names[-_NAMES:])}"
    return text


def common(counts: Counter[str]) -> list[str]:
    """The most frequent nouns, the earlier of equal ones first."""
    return [noun for noun, _ in counts.most_common(_NOUNS)]
