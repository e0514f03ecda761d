"""What a name is made of: which words of a text may be parts of one, where it ends, and what is called after one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.language.deidentification.lexicon import Lexicon, folded, words_of
from services.language.deidentification.tokens import Token

_CUES = Path(__file__).parent / "lists" / "name_cues.tsv"
LONGEST_NAME = 6
SENTENCE_ENDS = frozenset(".:;!?\n")
DOES = frozenset(words_of("person_verbs.txt"))
"""Verbs that only people do."""
SAYS = DOES | frozenset(words_of("name_verbs.txt"))
"""Verbs that follow the name of somebody who has been spoken of."""
NEVER = frozenset(words_of("not_names.txt"))
"""Words that are in the lists of names and are none at the place of one."""
_OF_PEOPLE = frozenset(words_of("of_people.txt"))
"""What somebody has, and no disease that is called after somebody does."""
_OF_MEDICINE = re.compile(
    r"(?:log|path|graph|scop|tom|plast|metr|therap|ectom|stom)(?:y|ies|ic|ical|s)$|(?:itis|osis|emia|uria|algia|oma|omas|gram|ase|ine|ide|ate|cillin|mycin|azole"
    r"|pril|sartan|statin|olol|ation|ition|ction|sion|ity|ness|ment|ous|ular|ical|able|ible|ally|ing|ives?|ents?|ants?|less|phil|cyte|cytes|pnea|rrhea|plegia|phasia)s?$"
)
"""Endings of words that are not names, whatever list they are missing from."""


@dataclass(frozen=True)
class _Cues:
    titles: dict[str, str]
    labels: frozenset[tuple[str, ...]]
    verbs: frozenset[tuple[str, ...]]
    relatives: frozenset[str]
    credentials: frozenset[str]
    particles: frozenset[str]
    suffixes: frozenset[str]


@cache
def cues() -> _Cues:
    """The words beside names, by how they stand."""
    rows: dict[str, list[str]] = {}
    for line in _CUES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            how, words = line.split("\t")
            rows.setdefault(how, []).append(words)
    return _Cues(
        titles={w: whose[6:] for whose in ("title", "title_m", "title_f") for w in rows[whose]},
        labels=frozenset(tuple(words.split()) for words in rows["label"]),
        verbs=frozenset(tuple(words.replace(".", " . ").split()) for words in rows["verb"]),
        relatives=frozenset(rows["relative"]),
        credentials=frozenset(word.replace("-", "") for word in rows["credential"]),
        particles=frozenset(rows["particle"]),
        suffixes=frozenset(rows["suffix"]),
    )


def gender_of_title(word: str) -> str:
    """`f` or `m` where a title says it, else empty."""
    return cues().titles.get(word.lower().rstrip("."), "").strip("_")


class NameWords:
    """The tokens of one text, read for names."""

    def __init__(self, words: Sequence[Token], lexicon: Lexicon) -> None:
        self._words = words
        self._lexicon = lexicon
        self._cues = cues()
        capitals = sum(1 for w in words if w.is_word and len(w.text) > 1 and w.text.isupper())
        lower = sum(1 for w in words if w.is_word and w.text.islower())
        self._is_all_capitals = capitals > 2 * lower

    def _name_end(self, first: int, *, trusts_first: bool = False) -> int:
        """One past the last token of the name that begins at `first`; `first` where none does."""
        at = first
        end = first
        while at < len(self._words) and at - first < 2 * LONGEST_NAME:
            word = self._words[at]
            lower = word.text.lower()
            if word.text == "St" and self._mark(at + 1) == "." and self._word(at + 2)[:1].isupper():
                end = at = at + 3
                continue
            if word.is_initial:
                at += 1
                end = at
                if self._mark(at) == ".":
                    at += 1
                    end = at
                continue
            if (
                word.is_capitalised
                and not self._breaks(first, at)
                and (
                    (at == first and trusts_first)
                    or not self._stops(word.text)
                    or (at > first and self._is_suffix(at))
                )
            ):
                at += 1
                end = at
                continue
            if at > first and self._is_suffix(at):
                end = at = at + 1
                continue
            if (lower in self._cues.particles and self._word(at + 1)[:1].isupper()) or (
                lower in self._cues.particles
                and self._word(at + 1).lower() in self._cues.particles
                and self._word(at + 2)[:1].isupper()
            ):
                at += 1
                continue
            if (
                word.text in "-'’"
                and end == at
                and (self._word(at + 1)[:1].isupper() or self._word(at + 1) in self._cues.particles)
                and self._touches(at)
                and self._touches(at + 1)
            ):
                at += 1
                continue
            if (
                word.text in {'"', "(", "“"}
                and end == at
                and self._word(at + 1)[:1].isupper()
                and self._mark(at + 2) in {'"', ")", "”"}
                and self._lexicon.is_given(self._word(at + 1))
            ):
                end = at = at + 3
                continue
            break
        while (
            end > first
            and not self._words[end - 1].is_word
            and self._words[end - 1].text not in {")", '"', "”"}
        ):
            if self._words[end - 1].text == "." and end - 2 >= first and self._words[end - 2].is_initial:
                break
            end -= 1
        return end

    def _whole(self, first: int, end: int) -> tuple[int, int]:
        """The name with what belongs to it on either side: `van den`, `J. B.`, `, III`."""
        while first > 0:
            before = self._word(first - 1)
            is_particle = (
                before.islower()
                and before in self._cues.particles
                and before not in {"ten", "bin", "y", "al"}
            )
            if is_particle or (before == "St" and self._mark(first) == "."):
                first -= 1
            elif (
                self._mark(first - 1) == "."
                and first > 1
                and (self._initial(first - 2) or self._word(first - 2) == "St")
            ):
                first -= 2
            else:
                break
        if self._mark(end) == "," and self._is_suffix(end + 1) and self._word(end + 1).lower() != "ma":
            end += 2
        return first, end

    def _breaks(self, first: int, at: int) -> bool:
        """Whether a new thought begins with the token: a line, or words of other letters than the name's."""
        if at == first:
            return False
        before, word = self._words[at - 1], self._words[at]
        if before.end == word.start and before.is_word:
            return True  # "SmithHISTORY"
        name = self._words[first]
        mixed = len(name.text) > 1 and not name.text.isupper()
        return (
            mixed and word.text.isupper() and len(word.text) > 2 and not self._lexicon.is_surname(word.text)
        )

    def _stops(self, word: str) -> bool:
        """Whether a word is known as something that is no part of a name."""
        name = folded(word)
        if name in self._cues.titles or (name in self._cues.credentials and word.isupper()):
            return True
        if not self._lexicon.is_taken(word):
            return False
        return not self._lexicon.is_name(word) or name in NEVER

    def _plausible(self, first: int, end: int) -> bool:
        """Whether the words may be a name: one of them is no word, or all of them stand in the lists."""
        words = [w.text for w in self._words[first:end] if w.is_word and len(w.text) > 1]
        if not words:
            return False
        return any(
            not self._lexicon.is_taken(w) and not _OF_MEDICINE.search(folded(w)) for w in words
        ) or all(self._lexicon.is_name(w) for w in words)

    def _listed(self, first: int, end: int) -> bool:
        """Whether one of the words is a name and not something else, or two of them are names."""
        words = [w.text for w in self._words[first:end] if w.is_word and len(w.text) > 1]
        sure = [
            w
            for w in words
            if self._lexicon.is_name(w)
            and not self._lexicon.is_taken(w)
            and not (w.isupper() and len(w) <= 4)
        ]
        return (
            bool(sure)
            or sum(self._lexicon.is_name(w) for w in words) >= 2
            or any(
                self._lexicon.is_given(w)
                and folded(w) not in NEVER
                and (folded(w) not in self._lexicon.medical or not w.isupper())
                for w in words
            )
        )

    def _pair(self, first: int, end: int) -> bool:
        """Whether the words are a given name and a surname."""
        words = [w.text for w in self._words[first:end] if w.is_word and len(w.text) > 1]
        words = [word for word in words if word.lower() not in self._cues.suffixes]
        if len(words) < 2:
            return False
        head, rest = words[0], words[1:]
        free = [w for w in words if not self._lexicon.is_taken(w)]
        if not free:
            return (
                self._lexicon.is_given(head)
                and self._lexicon.is_surname(rest[-1])
                and folded(head) not in NEVER
                and not head.isupper()
                and (folded(head) not in self._lexicon.medical or self._word(end).lower() in SAYS)
            )
        if self._lexicon.is_given(head) and (
            self._lexicon.is_surname(rest[-1]) or not self._lexicon.is_taken(rest[-1])
        ):
            return head in free or rest[-1] in free
        return all(self._lexicon.is_name(w) for w in words) and len(free) >= 1 and head in free

    def _given_follows(self, at: int) -> bool:
        """Whether a given name or an initial stands there, as after the comma of `SMITH, JOHN`."""
        word = self._word(at)
        if self._credential(at):
            return False
        return (
            bool(word)
            and word[0].isupper()
            and (
                (
                    self._lexicon.is_given(word)
                    and not (self._lexicon.is_taken(word) and folded(word) in NEVER)
                )
                or (len(word) == 1 and self._mark(at + 1) == ".")
            )
        )

    def _is_inverted(self, comma: int) -> bool:
        """Whether `Smith, Anyone, MD` goes on: a credential follows the word after the comma."""
        end = self._name_end(comma + 1)
        return (
            end > comma + 1
            and not self._credential(comma + 1)
            and self._mark(end) == ","
            and self._credential(end + 1)
        )

    def _is_enumeration(self, at: int) -> bool:
        """`Houston, Austin, Dallas`: surnames and given names that are the members of a list of places."""
        first, second = self._words[at].text, self._word(at + 2)
        if first.isupper() or self._word(at + 3).lower() in SAYS:
            return False
        return first.lower() in self._lexicon.cities and second.lower() in self._lexicon.cities

    def _is_unknown(self, at: int) -> bool:
        """Whether a capitalised word stands there that is known as nothing at all."""
        word = self._word(at)
        return (
            len(word) > 2
            and word[0].isupper()
            and not self._lexicon.is_word(word)
            and not _OF_MEDICINE.search(folded(word))
            and folded(word) not in NEVER
        )

    def _could_be_lower_name(self, at: int) -> bool:
        word = self._word(at)
        return (
            len(word) > 2
            and word.islower()
            and self._lexicon.is_name(word)
            and not self._lexicon.is_taken(word)
        )

    def _is_listed_name(self, at: int) -> bool:
        word = self._word(at)
        return (
            bool(word)
            and word[0].isupper()
            and self._lexicon.is_name(word)
            and folded(word) not in self._lexicon.plain
        )

    def _is_suffix(self, at: int) -> bool:
        return self._word(at).lower() in self._cues.suffixes and self._word(at)[:1].isupper()

    def _credential(self, at: int) -> bool:
        """Whether `MD`, `M.D.`, `PA-C` or the like begins there."""
        word = self._word(at)
        if not word or not word[0].isupper():
            return False
        if word.isupper() or word in {"PhD", "PharmD", "PsyD", "Esq"}:
            if len(word) > 1:
                return word.lower() in self._cues.credentials
            spelled = word
            place = at
            while self._mark(place + 1) == "." and self._initial(place + 2) and len(spelled) < 5:
                spelled += self._word(place + 2)
                place += 2
            return len(spelled) > 1 and spelled.lower() in self._cues.credentials
        return word == "Ph" and self._mark(at + 1) == "."

    def _is_camel(self, at: int) -> bool:
        """Whether the word is a part of one with capitals inside, as products are written: `TobraDex`."""
        follows = self._word(at + 1)
        return (at > 0 and self._touches(at) and self._words[at - 1].is_word) or (
            bool(follows) and self._touches(at + 1) and not follows.isupper()
        )

    def _is_said_of(self, at: int) -> bool:
        """Whether somebody is spoken of: the word stands within a sentence, or a verb of people follows."""
        before = self._words[at - 1].text if at else "\n"
        return before not in SENTENCE_ENDS or self._word(at + 1).lower() in DOES or self._possessive(at)

    def _is_somebody(self, at: int) -> bool:
        """Whether a word that is also another word can only be a person here: "Brown denies", "as Woods and I"."""
        word = self._words[at].text
        if folded(word) in NEVER or word.lower() in self._cues.relatives or word.isupper():
            return False
        follows = self._word(at + 1).lower()
        if self._possessive(at) and folded(word) not in self._lexicon.plain:
            return self._word(at + 3).lower() in _OF_PEOPLE and not self._is_eponym(at)
        return follows in DOES or (
            follows == "and" and self._word(at + 2) == "I" and self._word(at - 1) != ""
        )

    def _is_eponym(self, at: int) -> bool:
        """Whether what follows is called after the name: "McPherson forceps", "Kaplan's cardinal line"."""
        place = at + 1
        if self._possessive(at):
            place = at + 3
        while self._mark(place) == "-":
            place += 2
        return self._word(place).lower() in self._lexicon.eponym_heads or (
            self._word(place).islower()
            and self._word(place + 1).lower() in self._lexicon.eponym_heads
            and self._word(place).lower() not in SAYS
        )

    def _possessive(self, at: int) -> bool:
        return self._mark(at + 1) in {"'", "’"} and self._word(at + 2) == "s"

    def _phrase(self, at: int, length: int) -> tuple[str, ...]:
        return tuple(w.text.lower() for w in self._words[at : at + length])

    def _word(self, at: int) -> str:
        return self._words[at].text if 0 <= at < len(self._words) and self._words[at].is_word else ""

    def _mark(self, at: int) -> str:
        return self._words[at].text if 0 <= at < len(self._words) and not self._words[at].is_word else ""

    def _initial(self, at: int) -> bool:
        return 0 <= at < len(self._words) and self._words[at].is_initial

    def _touches(self, at: int) -> bool:
        return self._words[at - 1].end == self._words[at].start
