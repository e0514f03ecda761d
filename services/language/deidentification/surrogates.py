"""What stands in the place of an identifier: another of its kind, the same for the same under one key.

Every choice is an HMAC-SHA-256 of the identifier under the caller's key, so nothing has to be stored to be
consistent, and nobody without the key can try guesses.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.clinical.date_shift import shift_days
from services.language.deidentification.dates import shifted
from services.language.deidentification.identifiers import Kind
from services.language.deidentification.lexicon import folded
from services.language.deidentification.persons import Person

_POOLS = Path(__file__).parent / "lists" / "surrogates.tsv"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_SUFFIX = re.compile(r"(?:Jr|Sr|II|III|IV)", re.IGNORECASE)


@cache
def _pools() -> dict[str, tuple[str, ...]]:
    rows = [
        line.split("\t")
        for line in _POOLS.read_text(encoding="utf-8").splitlines()
        if line and line[0] != "#"
    ]
    return {kind: tuple(words.split("; ")) for kind, words in rows}


@dataclass(frozen=True)
class Surrogates:
    """The surrogates under one key, and of one patient."""

    key: bytes
    patient: str = ""

    @property
    def shift_days(self) -> int:
        """By how many days the patient's dates are shifted: 30 to 364, forward or back."""
        return shift_days(self.key, self.patient)

    def of(self, kind: Kind, written: str) -> str | None:
        """The surrogate of what is no name; None where there is none, as of "Easter"."""
        if kind is Kind.DATE:
            return shifted(" ".join(written.split()), self.shift_days)
        if kind is Kind.AGE:
            return "90+"
        if kind is Kind.EMAIL:
            return f"user{self._number('email', folded(written)) % 10**6:06}@example.org"
        if kind is Kind.URL:
            return f"https://example.org/{self._number('url', written) % 10**6:06}"
        if kind is Kind.IP_ADDRESS:
            number = self._number("ip", written)
            return f"192.0.2.{number % 254 + 1}" if "." in written else f"2001:db8::{number % 65535:x}"
        if kind is Kind.LOCATION:
            return self._place(written)
        if kind is Kind.ORGANISATION:
            return self._organisation(written)
        return self._digits(written)

    def name(self, written: str, person: Person) -> str:
        """The name as this person is called instead, each word as the one that it replaces."""
        if _HAN.search(written):
            if len(written) <= 1:
                return self._pick("chinese_surname", written)
            return self._pick("chinese_surname", written[0]) + self._pick("chinese_given", written[1:])
        given_new = self._pick(
            f"given_{person.gender or 'fm'[self._number('gender', person.given) % 2]}", person.given
        )
        head, comma, _ = written.partition(",")
        surname_first = bool(comma)
        matches = list(_WORD.finditer(written))
        result, at = [], 0
        for place, match in enumerate(matches):
            word = match.group()
            result.append(written[at : match.start()])
            at = match.end()
            result.append(
                self._word(
                    word, person, given_new, place, len(matches), surname_first and match.start() < len(head)
                )
            )
        return "".join(result) + written[at:]

    def _word(
        self, word: str, person: Person, given_new: str, place: int, count: int, in_surname: bool
    ) -> str:
        if _SUFFIX.fullmatch(word):
            return word
        name = folded(word)
        is_surname = (
            in_surname
            or name in person.surname
            or (place == count - 1 and count > 1 and len(name) > 1 and name != person.given)
        )
        if len(name) == 1:
            letter = (
                given_new[0]
                if person.given.startswith(name)
                else chr(65 + self._number("initial", name) % 26)
            )
            return letter if word.isupper() else letter.lower()
        if name == person.given and not is_surname:
            return _cased(given_new, word)
        if is_surname or (count == 1 and not person.given):
            return _cased(self._pick("surname", name), word)
        return _cased(
            self._pick(f"given_{person.gender or 'fm'[self._number('gender', name) % 2]}", name), word
        )

    def _place(self, written: str) -> str:
        if _HAN.search(written):
            return self._digits(
                self._pick("chinese_place", written) + "".join(re.findall(r"\d+\D?$", written))
            )
        if not re.search(r"[^\W\d_]{3}", written) or re.match(
            r"(?i)(?:room|rm|bed|ward|bay|unit|apt|apartment|suite|ste|p\.?\s?o|route|highway|hwy|bldg|building)\b",
            written,
        ):
            return self._digits(written)
        number = re.match(r"\d[\w-]*\s+", written)
        if number:
            return self._digits(number.group()) + self._pick("street", folded(written[number.end() :]))
        city, comma, rest = written.partition(",")
        end = re.search(r"\s(?:County|Parish|Township)$|^(?:County|City|Town) of ", city)
        new = self._pick("city", folded(city))
        if end:
            new = new + end.group() if end.group().startswith(" ") else end.group() + new
        return new + comma + self._digits(rest, letters=False)

    def _organisation(self, written: str) -> str:
        if _HAN.search(written):
            end = re.search(
                r"(?:医院|卫生院|诊所|卫生服务中心|公司|大学|学院|中学|小学|银行|门诊部|[\u4e00-\u9fff]{2}$)",
                written,
            )
            return self._pick("chinese_organisation", written) + (end.group() if end else "")
        kept = re.search(
            r"(?:\s(?:Hospital|Clinic|Medical|Center|Centre|Health|Institute|University|College|School|High|Elementary|Nursing|Home|Hospice|Pharmacy|Group|Church|Inc\.?|LLC|Company|Corporation|Associates))+$",
            written,
        )
        return self._pick("organisation", folded(written)) + (kept.group() if kept else "")

    def _digits(self, written: str, *, letters: bool = True) -> str:
        """Other digits, and other letters in codes, at the same places."""
        stream = _stream(self.key, f"digits|{written}")
        is_code = letters and bool(re.search(r"\d", written))
        result = []
        for character in written:
            number = next(stream)
            if character.isascii() and character.isdigit():
                result.append(str(number % 10))
            elif (
                is_code
                and character.isascii()
                and character.isupper()
                and not re.search(r"[A-Z][a-z]|[a-z]{3}", written)
            ):
                result.append(chr(65 + number % 26))
            else:
                result.append(character)
        return "".join(result)

    def _pick(self, pool: str, of: str) -> str:
        """One of a pool, never the word itself."""
        words = _pools()[pool]
        at = self._number(pool, of) % len(words)
        return words[at] if folded(words[at]) != folded(of) else words[(at + 1) % len(words)]

    def _number(self, use: str, of: str) -> int:
        return int.from_bytes(hmac.digest(self.key, f"{use}|{of}".encode(), hashlib.sha256)[:8], "big")


def _stream(key: bytes, of: str) -> Iterator[int]:
    block = 0
    while True:
        yield from hmac.digest(key, f"{of}|{block}".encode(), hashlib.sha256)
        block += 1


def _cased(word: str, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.lower() if like.islower() else word
