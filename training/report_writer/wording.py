"""Sentences with choices and slots, as `phrases/` writes them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

_CHOICE = re.compile(r"\(([^()\[\]]*)\)|\[([^()\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_SET = re.compile(r"\{:(\w+)=([^{}]*)\}")
_ADVERBS = {"mild": "mildly", "moderate": "moderately", "severe": "severely"}

FORMS = {
    "mild_": ("mild", "{adverb} "),
    "mm_": ("mm", "{value} mm "),
    "cm_": ("cm", "{value} cm "),
    "rlobe_": ("rlobe", "{value} lobe "),
    "side_b": ("side", "{value} basilar "),
    "sides_b": ("sides", "{value} basilar "),
}
"""Slots that show another slot's value within a phrase, and nothing where it has none."""


def choose(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """One of the items, each as likely."""
    return items[int(rng.integers(len(items)))]


def weighted(rng: np.random.Generator, items: Sequence[Item], weights: Sequence[float]) -> Item:
    """One of the items, by their weights."""
    total = np.cumsum(weights)
    return items[int(np.searchsorted(total, rng.random() * total[-1], side="right"))]


def is_held_out(template: str) -> bool:
    """Whether a wording measures and never trains: one in eight."""
    return zlib.crc32(template.encode()) % 8 == 0


def wordings(templates: Sequence[str], held_out: bool) -> list[str]:
    """Those that train, or those that measure; all where there are none of that kind."""
    chosen = [template for template in templates if is_held_out(template) is held_out]
    return chosen or list(templates)


def resolved(template: str, rng: np.random.Generator) -> str:
    """The template with its choices made: `(a|b)` one of them, `[a]` there or not."""

    def made(match: re.Match[str]) -> str:
        if match[1] is not None:
            return choose(rng, match[1].split("|"))
        return match[2] if rng.random() < 0.5 else ""

    while (text := _CHOICE.sub(made, template)) != template:
        template = text
    return template


def said(
    template: str, slots: Mapping[str, Sequence[str]], rng: np.random.Generator
) -> tuple[str, dict[str, str]]:
    """A sentence, and the slots that it shows with their values."""
    shown: dict[str, str] = {}
    text = resolved(template, rng)
    for match in _SET.finditer(text):
        shown[match[1]] = match[2]
    text = _SET.sub("", text)
    for name in _SLOT.findall(text):
        slot = FORMS[name][0] if name in FORMS else name
        if slot not in shown:
            shown[slot] = choose(rng, slots[slot])
    return filled(text, shown), shown


def filled(template: str, shown: Mapping[str, str]) -> str:
    """The template with the values of the slots; a slot without one leaves nothing."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        slot, form = FORMS.get(name, (name, "{value}"))
        if not shown.get(slot):
            return ""
        return form.format(value=shown[slot], adverb=_ADVERBS.get(shown[slot], shown[slot]))

    return sentence(_SLOT.sub(value, template))


def sentence(text: str) -> str:
    """Blanks single, the first letter a capital."""
    text = re.sub(r"\s+([.,])", r"\1", " ".join(text.split()))
    return text[:1].upper() + text[1:]
