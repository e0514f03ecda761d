"""Names of people: by what stands before or after them, by the lists of names, and by both.

One pass over the tokens. A title, a label, a verb ("dictated by"), a relative ("his wife, Susan") or a credential
("…, MD") makes a name of the capitalised words beside it; without one, the lists of given names and surnames do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.language.deidentification.identifiers import Found, Kind, Origin
from services.language.deidentification.lexicon import Lexicon, folded
from services.language.deidentification.tokens import Token

_CUES = Path(__file__).parent / "lists" / "name_cues.tsv"
_LONGEST_NAME = 6
_ENDS = frozenset(".:;!?\n")
_WEAK_VERBS = frozenset(
    {"per", "see", "patient", "pt", "cc", "signed", "asked", "told", "contact", "contacted", "notified", "informed", "called"}
    | {"paged", "named", "hi", "hello", "thanks", "thank you", "followed by", "read by", "formerly", "regards", "called to"}
    | {"by", "with", "for", "seeing", "saw", "according to"}
)  # fmt: skip
"""Those that something else follows as often ("see HPI", "per protocol"): the name must be one by the lists."""
SAYS = frozenset(
    [
        "is",
        "was",
        "has",
        "had",
        "will",
        "would",
        "reports",
        "reported",
        "states",
        "stated",
        "denies",
        "denied",
        "presents",
        "presented",
        "presenting",
        "complains",
        "complained",
        "says",
        "said",
        "notes",
        "noted",
        "feels",
        "felt",
        "underwent",
        "returns",
        "returned",
        "lives",
        "came",
        "comes",
        "does",
        "did",
        "can",
        "could",
        "tolerated",
        "describes",
        "described",
        "agrees",
        "agreed",
        "and",
        "who",
        "appears",
        "appeared",
        "also",
        "continues",
        "continued",
        "understands",
        "called",
    ]
)
"""Verbs that follow the name of somebody who has been spoken of."""
_DOES = frozenset(
    [
        "reports",
        "reported",
        "states",
        "stated",
        "denies",
        "denied",
        "presents",
        "presented",
        "complains",
        "complained",
        "says",
        "said",
        "feels",
        "felt",
        "lives",
        "agrees",
        "agreed",
        "describes",
        "described",
        "underwent",
        "returns",
        "came",
        "comes",
        "understands",
        "tolerates",
        "admits",
        "admitted",
        "wants",
        "wishes",
    ]
)
"""Of these those that only people do."""
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
def _cues() -> _Cues:
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
    return _cues().titles.get(word.lower().rstrip("."), "").strip("_")


class PeopleFinder:
    """Finds names in the tokens of one text."""

    def __init__(self, words: Sequence[Token], lexicon: Lexicon) -> None:
        self._words = words
        self._lexicon = lexicon
        self._cues = _cues()
        capitals = sum(1 for w in words if w.is_word and len(w.text) > 1 and w.text.isupper())
        lower = sum(1 for w in words if w.is_word and w.text.islower())
        self._is_all_capitals = capitals > 2 * lower

    def find(self) -> Iterator[Found]:
        """Names, in no order; they may overlap."""
        for at, word in enumerate(self._words):
            if not word.is_word:
                continue
            yield from self._typist(at)
            yield from self._after_title(at)
            yield from self._after_label(at)
            yield from self._after_verb(at)
            yield from self._after_relative(at)
            yield from self._before_credential(at)
            yield from self._by_lists(at)

    # What makes a name.

    def _after_title(self, at: int) -> Iterator[Found]:
        title = self._words[at].text.lower()
        if title not in self._cues.titles:
            return
        first = at + 1
        if self._mark(first) == ".":
            first += 1
        elif (
            title in {"sr", "lt", "col", "rn", "hon", "capt", "sgt", "rev"}
            and not self._words[at].is_capitalised
        ):
            return
        if title in {"sister", "father", "doctor", "nurse", "officer", "captain", "judge", "sir", "colonel", "attorney", "rn", "miss", "pastor", "professor", "chaplain", "detective", "col", "sr", "lt"} and not self._is_listed_name(first):  # fmt: skip
            return
        while self._word(first).lower() in {"dr", "prof"}:
            first += 2 if self._mark(first + 1) == "." else 1
        end = self._name_end(first, trusts_first=True)
        if end == first and self._could_be_lower_name(first):
            end = first + 1
            while end < first + 3 and self._could_be_lower_name(end):
                end += 1
        yield from self._found(first, end, 0.97)
        while end > first and (
            self._mark(end) == ","
            or self._word(end).lower() in {"and", "or", "&"}
            or self._mark(end) in {"/", "&"}
        ):
            first = end + 1
            if self._mark(first - 1) == "," and self._word(first).lower() == "and":
                first += 1
            if not title.startswith("dr") or not (
                self._is_listed_name(first)
                or (
                    title == "drs"
                    and self._lexicon.is_name(self._word(first))
                    and self._word(first)[0].isupper()
                )
            ):
                return
            end = self._name_end(first)
            yield from self._found(first, end, 0.8)

    def _after_label(self, at: int) -> Iterator[Found]:
        for length in (4, 3, 2, 1):
            end = at + length
            if self._mark(end) in {":", "\uff1a"} and self._phrase(at, length) in self._cues.labels:
                first = end + 1
                break
        else:
            return
        for _ in range(8):  # "SURGEON: Smith, John; Brown, Will and J. White"
            if self._mark(first) == "\n" and length < 5:
                first += 1
            last = self._name_end(first)
            if last == first and self._could_be_lower_name(first):
                last = first + 1
                while self._could_be_lower_name(last + (self._mark(last) == ",")):
                    last += 1 + (self._mark(last) == ",")
            if last == first or not self._plausible(first, last):
                return
            if self._mark(last) == "," and (self._given_follows(last + 1) or self._is_inverted(last)):
                last = self._name_end(last + 1)
            yield from self._found(first, last, 0.95)
            while self._credential(last) or (self._mark(last) in {",", "."} and self._credential(last + 1)):
                last += 1
            if self._mark(last) not in {",", ";", "/", "&"} and self._word(last).lower() != "and":
                return
            first = last + 1

    def _after_verb(self, at: int) -> Iterator[Found]:
        for length in (4, 3, 2, 1):
            phrase = self._phrase(at, length)
            if phrase in self._cues.verbs:
                first = at + length
                break
        else:
            return
        if self._mark(first) in {":", ",", "."}:
            first += 1
        while self._mark(first) == "\n":
            first += 1
        end = self._name_end(first)
        if end == first:
            yield from self._lower_pair(first)
            return
        if (
            phrase == ("per",)
            and self._mark(end) == ","
            and self._lexicon.is_name(self._word(first))
            and not self._word(first).isupper()
        ):
            yield from self._found(first, end, 0.7)
        is_weak = " ".join(phrase) in _WEAK_VERBS
        if self._plausible(first, end) and (not is_weak or self._listed(first, end)):
            if self._mark(end) == "," and (self._given_follows(end + 1) or self._is_inverted(end)):
                end = self._name_end(end + 1)
            yield from self._found(first, end, 0.85)

    def _lower_pair(self, first: int) -> Iterator[Found]:
        """`pt john smith called`: a given name and a surname in small letters, one of them no other word."""
        given, surname = self._word(first), self._word(first + 1)
        if min(len(given), len(surname)) < 3 or not (given.islower() and surname.islower()):
            return
        if (
            self._lexicon.is_given(given)
            and self._lexicon.is_name(surname)
            and {given, surname}.isdisjoint(_NEVER)
        ):
            if not (self._lexicon.is_taken(given) and self._lexicon.is_taken(surname)):
                yield from self._found(first, first + 2, 0.7, Origin.LIST)

    def _after_relative(self, at: int) -> Iterator[Found]:
        if self._words[at].text.lower() not in self._cues.relatives:
            return
        first = at + 1
        if self._mark(first) in {",", "(", ":"}:
            first += 1
        if self._word(first).lower() in {"is", "named", "called"}:
            first += 1
        for _ in range(6):
            end = self._name_end(first)
            between_commas = self._mark(first - 1) in {",", "("} and self._mark(end) in {",", ")"}
            unknown = self._is_unknown(first) and self._words[at].text.islower()
            if end == first or not (
                self._listed(first, end) or unknown or (between_commas and self._plausible(first, end))
            ):
                return
            yield from self._found(first, end, 0.85)
            first = end
            if self._mark(first) == ",":
                first += 1
            if self._word(first).lower() in {"and", "or"}:
                first += 1
            if first == end:
                return

    def _before_credential(self, at: int) -> Iterator[Found]:
        """`John A. Smith, MD`: backwards from the credential."""
        if not self._credential(at) or at == 0:
            return
        last = at
        if self._mark(last - 1) == ",":
            last -= 1
        first = last
        while first > 0 and last - first < _LONGEST_NAME:
            word = self._words[first - 1]
            if word.text == "." and first - 2 >= 0 and self._words[first - 2].is_initial:
                first -= 2
            elif (word.is_capitalised and not self._stops(word.text)) or (
                first < last and (word.text == "-" or word.text.lower() in self._cues.particles)
            ):
                first -= 1
            elif word.text == "," and last < at and last - first == 1 and self._is_listed_name(first - 2):
                first -= 1  # "Hill, Ishwar, RN"
            else:
                break
        while first < last and (
            not self._words[first].is_word or self._words[first].text.lower() in self._cues.titles
        ):
            first += 1
        has_comma = last < at
        if first < last and (has_comma or self._listed(first, last)):
            if self._listed(first, last) or last - first >= 2:
                yield from self._found(first, last, 0.93)

    def _typist(self, at: int) -> Iterator[Found]:
        """`JRC/abc` at a line's end: who dictated and who typed."""
        dictated, typed = self._words[at].text, self._word(at + 2)
        if (
            dictated.isupper()
            and 2 <= len(dictated) <= 4
            and self._mark(at + 1) in {"/", ":"}
            and typed.islower()
            and 2 <= len(typed) <= 4
        ):
            if (
                self._mark(at + 3) in {"", "\n"}
                and not self._word(at + 3)
                and (at == 0 or self._words[at - 1].text in "\n.:" or self._words[at - 1].text.isdigit())
            ):
                yield from self._found(at, at + 3, 0.75)

    def _by_lists(self, at: int) -> Iterator[Found]:
        word = self._words[at]
        if not word.is_capitalised:
            if (
                self._could_be_lower_name(at)
                and self._could_be_lower_name(at + 1)
                and self._lexicon.is_given(word.text)
            ):
                yield from self._found(at, at + 2, 0.6, Origin.LIST)
            return
        taken = self._lexicon.is_taken(word.text)
        given, surname = self._lexicon.is_given(word.text), self._lexicon.is_surname(word.text)
        if word.is_initial:
            yield from self._by_initial(at)
            return
        if not given and not surname and not word.text.endswith("s"):
            yield from self._by_unknown(at)
            return
        # SMITH, JOHN A.
        if (
            self._mark(at + 1) == ","
            and surname
            and self._given_follows(at + 2)
            and not self._is_enumeration(at)
        ):
            yield from self._found(at, self._name_end(at + 2), 0.85, Origin.LIST)
        end = self._name_end(at)
        if (
            self._word(at - 1).lower() == "the"
            and word.text.endswith("s")
            and not taken
            and self._lexicon.is_surname(word.text[:-1])
        ):
            yield from self._found(at, at + 1, 0.75, Origin.LIST)
        if self._word(at - 1).lower() == "the" and self._word(end).lower() in {
            "family",
            "families",
            "children",
            "household",
        }:
            yield from self._found(at, end, 0.85)
        if end - at >= 2 and self._pair(at, end) and not self._is_eponym(end - 1):
            yield from self._found(at, end, 0.85 if not taken else 0.75, Origin.LIST)
            return
        if surname and taken and self._is_somebody(at):
            yield from self._found(at, at + 1, 0.55, Origin.LIST)
        if taken or len(word.text) < 3 or word.text.isupper():
            return
        if (self._lexicon.is_word(word.text) and not self._is_said_of(at)) or self._is_eponym(at):
            return
        before = self._words[at - 1].text if at else "\n"
        follows = self._word(at + 1).lower()
        if before in _ENDS or before in {"-", '"', "("}:
            if (given and (follows in SAYS or self._possessive(at))) or (
                surname and follows in (_DOES if self._lexicon.is_word(word.text) else SAYS)
            ):
                yield from self._found(at, at + 1, 0.7, Origin.LIST)
            return
        if given or (surname and len(word.text) > 3):
            yield from self._found(at, end if end > at else at + 1, 0.6, Origin.LIST)

    def _by_unknown(self, at: int) -> Iterator[Found]:
        """A word known as nothing: of whom something is said that is said of people, or before a surname."""
        if not self._is_unknown(at) or self._words[at].text.isupper():
            return
        before = self._words[at - 1].text if at else "\n"
        follows = self._word(at + 1)
        if follows.lower() in (SAYS if before in _ENDS else _DOES):
            yield from self._found(at, at + 1, 0.55)
        elif (
            follows[:1].isupper()
            and self._lexicon.is_surname(follows)
            and not self._lexicon.is_word(follows)
            and not follows.isupper()
        ):
            yield from self._found(at, self._name_end(at), 0.6, Origin.LIST)

    def _by_initial(self, at: int) -> Iterator[Found]:
        """`J. Smith`, `J.R. Smith`."""
        place = at
        while self._initial(place) and place < at + 6:
            place += 2 if self._mark(place + 1) == "." else 1
        word = self._word(place)
        dotted = self._mark(at + 1) == "."
        if len(word) < 3 or not word[0].isupper():
            return
        if not self._lexicon.is_surname(word):
            if dotted and self._is_unknown(place) and not word.isupper():
                yield from self._found(at, max(self._name_end(place), place + 1), 0.6)
            return
        if not self._lexicon.is_taken(word) or (
            dotted
            and not word.isupper()
            and folded(word) not in self._lexicon.medical
            and folded(word) not in self._lexicon.plain
        ):
            end = self._name_end(place)
            yield from self._found(at, max(end, place + 1), 0.75 if dotted else 0.55, Origin.LIST)

    # What a name is made of.

    def _name_end(self, first: int, *, trusts_first: bool = False) -> int:
        """One past the last token of the name that begins at `first`; `first` where none does."""
        at = first
        end = first
        while at < len(self._words) and at - first < 2 * _LONGEST_NAME:
            word = self._words[at]
            lower = word.text.lower()
            if word.is_initial:
                at += 1
                end = at
                if self._mark(at) == ".":
                    at += 1
                    end = at
                continue
            if word.is_capitalised and not self._breaks(first, at):
                if (
                    (at == first and trusts_first)
                    or not self._stops(word.text)
                    or (at > first and self._is_suffix(at))
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
                and self._word(at + 1)[:1].isupper()
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
        return not self._lexicon.is_name(word) or name in _NEVER

    def _plausible(self, first: int, end: int) -> bool:
        """Whether the words may be a name: one of them is no word, or all of them stand in the lists."""
        words = [w.text for w in self._words[first:end] if w.is_word and len(w.text) > 1]
        if not words:
            return False
        return any(not self._lexicon.is_taken(w) for w in words) or all(
            self._lexicon.is_name(w) for w in words
        )

    def _listed(self, first: int, end: int) -> bool:
        """Whether one of the words is a name and not something else, or two of them are names."""
        words = [w.text for w in self._words[first:end] if w.is_word and len(w.text) > 1]
        sure = [w for w in words if self._lexicon.is_name(w) and not self._lexicon.is_taken(w)]
        return (
            bool(sure)
            or sum(self._lexicon.is_name(w) for w in words) >= 2
            or any(
                self._lexicon.is_given(w)
                and folded(w) not in _NEVER
                and (folded(w) not in self._lexicon.medical or not w.isupper())
                for w in words
            )
        )

    def _pair(self, first: int, end: int) -> bool:
        """Whether the words are a given name and a surname."""
        words = [w.text for w in self._words[first:end] if w.is_word and len(w.text) > 1]
        if len(words) < 2:
            return False
        head, rest = words[0], words[1:]
        free = [w for w in words if not self._lexicon.is_taken(w)]
        if not free:
            return (
                self._lexicon.is_given(head)
                and self._lexicon.is_surname(rest[-1])
                and folded(head) not in self._lexicon.medical
                and folded(head) not in _NEVER
                and not words[0].isupper()
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
                    and not (self._lexicon.is_taken(word) and folded(word) in _NEVER)
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
        return self._words[at].text.lower() in self._lexicon.cities and not self._words[at].text.isupper()

    def _is_unknown(self, at: int) -> bool:
        """Whether a capitalised word stands there that is known as nothing at all."""
        word = self._word(at)
        return (
            len(word) > 2
            and word[0].isupper()
            and not self._lexicon.is_word(word)
            and not _OF_MEDICINE.search(folded(word))
            and folded(word) not in _NEVER
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

    def _is_said_of(self, at: int) -> bool:
        """Whether somebody is spoken of: the word stands within a sentence, or a verb of people follows."""
        before = self._words[at - 1].text if at else "\n"
        return before not in _ENDS or self._word(at + 1).lower() in _DOES

    def _is_somebody(self, at: int) -> bool:
        """Whether a word that is also another word can only be a person here: "Brown denies", "as Woods and I"."""
        word = self._words[at].text
        if folded(word) in _NEVER or word.lower() in self._cues.relatives or word.isupper():
            return False
        follows = self._word(at + 1).lower()
        return follows in _DOES or (
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

    def _found(
        self, first: int, end: int, confidence: float, origin: Origin = Origin.RULE
    ) -> Iterator[Found]:
        if end <= first:
            return
        start, stop = self._words[first].start, self._words[end - 1].end
        yield Found(start, stop, Kind.NAME, confidence, origin)


_NEVER = frozenset(
    [
        "the",
        "this",
        "that",
        "these",
        "those",
        "he",
        "she",
        "they",
        "it",
        "we",
        "you",
        "i",
        "his",
        "her",
        "their",
        "our",
        "your",
        "my",
        "in",
        "on",
        "at",
        "of",
        "to",
        "from",
        "for",
        "with",
        "and",
        "or",
        "but",
        "if",
        "no",
        "not",
        "yes",
        "per",
        "as",
        "by",
        "an",
        "a",
        "is",
        "was",
        "were",
        "are",
        "has",
        "have",
        "had",
        "can",
        "should",
        "would",
        "none",
        "see",
        "day",
        "days",
        "week",
        "month",
        "year",
        "today",
        "tomorrow",
        "yesterday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "history",
        "physical",
        "exam",
        "examination",
        "plan",
        "assessment",
        "impression",
        "findings",
        "diagnosis",
        "diagnoses",
        "procedure",
        "operation",
        "indications",
        "medications",
        "allergies",
        "vital",
        "signs",
        "general",
        "skin",
        "head",
        "eyes",
        "ears",
        "nose",
        "throat",
        "neck",
        "chest",
        "heart",
        "lungs",
        "abdomen",
        "back",
        "extremities",
        "neurologic",
        "left",
        "right",
        "upper",
        "lower",
        "patient",
        "patients",
        "mother",
        "father",
        "please",
        "thank",
        "thanks",
        "sincerely",
        "dear",
        "re",
        "cc",
        "hospital",
        "clinic",
        "center",
        "medical",
        "department",
        "room",
        "emergency",
        "there",
        "then",
        "when",
        "while",
        "after",
        "before",
        "during",
        "since",
        "until",
        "because",
        "however",
        "therefore",
        "also",
        "both",
        "all",
        "any",
        "each",
    ]
)
"""Words that are in the lists of names and are none at the place of one."""
