"""Names of people: by what stands before or after them, by the lists of names, and by both.

One pass over the tokens. A title, a label, a verb ("dictated by"), a relative ("his wife, Susan") or a credential
("…, MD") makes a name of the capitalised words beside it; without one, the lists of given names and surnames do.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.language.deidentification.identifiers import Found, Kind, Origin
from services.language.deidentification.lexicon import folded
from services.language.deidentification.name_words import (
    DOES,
    LONGEST_NAME,
    NEVER,
    SAYS,
    SENTENCE_ENDS,
    NameWords,
)

_WEAK_VERBS = frozenset(
    {"per", "see", "patient", "pt", "cc", "signed", "asked", "told", "contact", "contacted", "notified", "informed", "called"}
    | {"paged", "named", "hi", "hello", "thanks", "thank you", "followed by", "read by", "formerly", "regards", "called to"}
    | {"by", "with", "for", "seeing", "saw", "according to"}
)  # fmt: skip
"""Those that something else follows as often ("see HPI", "per protocol"): the name must be one by the lists."""

_BEFORE_PEOPLE = frozenset(
    [
        "by",
        "that",
        "from",
        "per",
        "as",
        "than",
        "told",
        "saw",
        "both",
        "when",
        "because",
        "while",
        "whom",
        "who",
    ]
)
"""Words before which a capitalised word that is known as nothing is rather somebody than something."""


class PeopleFinder(NameWords):
    """Finds names in the tokens of one text."""

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
        if self._word(first).lower() in {"dr", "prof"}:  # "Prof. Dr. Smith"
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
            and {given, surname}.isdisjoint(NEVER)
        ) and not (self._lexicon.is_taken(given) and self._lexicon.is_taken(surname)):
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
        while first > 0 and last - first < LONGEST_NAME:
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
        is_alone = at == 0 or self._words[at - 1].text in "\n.:" or self._words[at - 1].text.isdigit()
        ends = not self._word(at + 3) and self._mark(at + 3) in {"", "\n"}
        if is_alone and ends and dictated.isupper() and typed.islower() and self._mark(at + 1) in {"/", ":"}:
            if 2 <= len(dictated) <= 4 and 2 <= len(typed) <= 4:
                yield from self._found(at, at + 3, 0.75)

    def _by_lists(self, at: int) -> Iterator[Found]:
        word = self._words[at]
        if folded(word.text) in NEVER and not word.is_initial:
            return
        if word.is_initial:
            yield from self._by_initial(at)
        elif not word.is_capitalised:
            if self._could_be_lower_name(at) and self._could_be_lower_name(at + 1):
                if self._lexicon.is_given(word.text):
                    yield from self._found(at, at + 2, 0.6, Origin.LIST)
        elif self._lexicon.is_name(word.text):
            yield from self._listed_names(at)
        else:
            yield from self._by_unknown(at)
        if self._word(at - 1).lower() == "the":
            yield from self._family(at)

    def _family(self, at: int) -> Iterator[Found]:
        """`the Hill family`, `the Pattersons`."""
        word, end = self._words[at], self._name_end(at)
        if self._word(end).lower() in {"family", "families", "children", "household"}:
            yield from self._found(at, end, 0.85)
        elif word.is_capitalised and word.text.endswith("s") and not self._lexicon.is_taken(word.text):
            if self._lexicon.is_surname(word.text[:-1]):
                yield from self._found(at, at + 1, 0.75, Origin.LIST)

    def _listed_names(self, at: int) -> Iterator[Found]:
        """What begins with a word of the lists of names."""
        word = self._words[at].text
        surname, taken = self._lexicon.is_surname(word), self._lexicon.is_taken(word)
        if (
            self._mark(at + 1) == ","
            and surname
            and self._given_follows(at + 2)
            and not self._is_enumeration(at)
        ):
            yield from self._found(at, self._name_end(at + 2), 0.85, Origin.LIST)  # SMITH, JOHN A.
        end = self._name_end(at)
        if end - at >= 2 and self._pair(at, end) and not self._is_eponym(end - 1):
            yield from self._found(at, end, 0.75 if taken else 0.85, Origin.LIST)
        elif taken:
            if surname and self._is_somebody(at):
                yield from self._found(at, at + 1, 0.55, Origin.LIST)
        elif len(word) >= 3 and not word.isupper() and not self._is_eponym(at) and not self._is_camel(at):
            yield from self._one_name(at, max(end, at + 1))

    def _one_name(self, at: int, end: int) -> Iterator[Found]:
        """A name alone: within a sentence, or at its beginning where somebody does something."""
        word = self._words[at].text
        given, surname = self._lexicon.is_given(word), self._lexicon.is_surname(word)
        is_word = self._lexicon.is_word(word)
        if is_word and not self._is_said_of(at):
            return
        before = self._words[at - 1].text if at else "\n"
        follows = self._word(at + 1).lower()
        if before in SENTENCE_ENDS or before in {"-", '"', "("}:
            if (
                (given and follows in SAYS)
                or self._possessive(at)
                or (surname and follows in (DOES if is_word else SAYS))
            ):
                yield from self._found(at, at + 1, 0.7, Origin.LIST)
        elif given or (surname and len(word) > 3):
            yield from self._found(at, end, 0.6, Origin.LIST)

    def _by_unknown(self, at: int) -> Iterator[Found]:
        """A word known as nothing: of whom something is said that is said of people, or before a surname."""
        if not self._is_unknown(at) or self._words[at].text.isupper():
            return
        before = self._words[at - 1].text if at else "\n"
        follows = self._word(at + 1)
        if self._mark(at + 1) == "," and self._given_follows(at + 2) and self._word(at + 3).lower() in SAYS:
            yield from self._found(at, at + 3, 0.6)  # "O'Keller, Sean was"
        is_said = follows.lower() in (SAYS if before in SENTENCE_ENDS else DOES)
        is_second = (
            before == "and"
            and self._word(at - 2)[:1].isupper()
            and not self._lexicon.is_taken(self._word(at - 2))
        )
        if is_said or (
            (before in _BEFORE_PEOPLE or is_second) and not self._is_eponym(at) and not self._is_camel(at)
        ):
            yield from self._found(at, self._name_end(at), 0.5)
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
        if not dotted and self._words[at].text in {"A", "I"}:
            return
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

    def _found(
        self, first: int, end: int, confidence: float, origin: Origin = Origin.RULE
    ) -> Iterator[Found]:
        if end <= first:
            return
        first, end = self._whole(first, end)
        start, stop = self._words[first].start, self._words[end - 1].end
        yield Found(start, stop, Kind.NAME, confidence, origin)
