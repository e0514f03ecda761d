"""Identifiers that are numbers or codes: by their own form, or by the words before them that say what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from services.language.deidentification.identifiers import Found, Kind

_LABELS = Path(__file__).parent / "lists" / "number_labels.tsv"

_TOP = r"(?:com|org|net|edu|gov|mil|int|info|io|health|med|clinic|care|app|co|us|uk|ca|au|de|fr|es|it|nl|in|cn|jp|hk|tw|me|biz)"
_PHONE = r"(?:\+?1[-. ]{0,3})?(?:\(\s?\d{3}\s?\)\s{0,2}[-.]?\s?|\d{3}\s?[-./\u2013\u00b7]\s?|\d{3} )\d{3}\s?[-.\u2013 ]\s?\d{4}"
_EXTENSION = r"(?:\s*,?\s*(?:x|ext\.?|extension)\s*[:#]?\s*\d{1,6})"
_NANP_LETTERS = r"1?[-. ]?8(?:00|88|77|66|55|44|33)[-. ](?=[A-Z0-9-]*[A-Z])[A-Z0-9]{3,4}[-. ]?[A-Z0-9]{3,4}"
_INTERNATIONAL = r"(?=(?:\D{0,3}\d){8})(?:\+|\b00)\s?\d{1,3}(?:[-. ]?\(?\d{1,5}\)?){2,5}"
_FREE = r"(?<![\w.+/#-])"

_FORMS: tuple[tuple[Kind, float, str, int], ...] = (
    (Kind.EMAIL, 0.99, r"(?<![\w.+-])[\w.+%'-]{1,64}\s?@\s?(?:[\w-]{1,63}\.){1,6}[A-Za-z]{2,12}(?![\w@])", 0),
    (Kind.EMAIL, 0.95, r"\b[\w.+-]{1,64}\s?(?:\(at\)|\[at\]|\sat\s)\s?[\w-]{1,63}\s?(?:\(dot\)|\[dot\]|\sdot\s)\s?(?:com|org|net|edu|gov)\b", re.IGNORECASE),
    (Kind.URL, 0.99, r"\b(?:https?|ftp|sftp|file)://[^\s<>\"']{1,2000}(?<![.,;:)\]])", re.IGNORECASE),
    (Kind.URL, 0.99, r"\bwww\.[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}(?:/[^\s<>\"']{0,2000}(?<![.,;:)\]]))?", re.IGNORECASE),
    (Kind.URL, 0.95, rf"(?<![\w@.-])(?:[a-z0-9-]{{1,63}}\.){{1,4}}{_TOP}(?:/[^\s<>\"']{{0,2000}}(?<![.,;:)\]]))(?!\w)", 0),
    (Kind.URL, 0.9, r"(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,4}(?:com|org|net|edu|gov|io|info|health)(?![\w-]|\.\w)", re.IGNORECASE),
    (Kind.IP_ADDRESS, 0.97, r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:/\d{1,2}|:\d{2,5})?(?![\w.]\d|\w)", 0),
    (Kind.IP_ADDRESS, 0.97, r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?![\w:])", 0),
    (Kind.IP_ADDRESS, 0.97, r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){1,6}:(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,5})(?![\w:])", 0),
    (Kind.IP_ADDRESS, 0.97, r"(?<![\w:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}(?![\w:-])", 0),
    (Kind.SSN, 0.98, r"(?<![\w-])(?:\d{3}|[X*#]{3})([- .\u2013])(?:\d\d|[X*#]{2})\1\d{4}(?![\w-])", re.IGNORECASE),
    (Kind.SSN, 0.95, r"(?<![\w-])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\s?\d\d\s?\d\d\s?\d\d\s?[A-Z](?![\w-])", 0),
    (Kind.SSN, 0.95, r"\blast\s+(?:four|4)(?:\s+digits)?(?:\s+of)?(?:\s+(?:his|her|the|their))?(?:\s+(?:SSN|social(?:\s+security)?(?:\s+number)?))?(?:\s+(?:are|is)|:)?\s*(?P<value>\d{4})\b", re.IGNORECASE),
    (Kind.PHONE, 0.97, rf"(?<![\w.+-]){_PHONE}{_EXTENSION}?(?![\w-])", re.IGNORECASE),
    (Kind.PHONE, 0.95, rf"(?<![\w-]){_NANP_LETTERS}(?![\w-])", 0),
    (Kind.PHONE, 0.95, rf"(?<!\w){_INTERNATIONAL}{_EXTENSION}?(?![\w])", re.IGNORECASE),
    (Kind.PHONE, 0.9, rf"(?<![\w.,/-])(?:[2-9]\d\d[-.\u2013]\d{{4}}){_EXTENSION}?(?![\w-])(?!\s?(?:mg|ml|mcg|units?|cells|cc|cm|mm))", re.IGNORECASE),
    (Kind.PHONE, 0.9, r"(?<![\w.-])0\d{2,4}[ -]\d{3,4}[ -]?\d{3,4}(?![\w-])", 0),
    (Kind.PHONE, 0.9, r"\b(?:(?:ext\.?|extension)\s*[:#]?\s*|x(?=\d{3}))(?P<value>\d{2,6})\b(?!/|\s?degrees)(?!\s?(?:mg|days?|weeks?|hours?|doses?|months?))", re.IGNORECASE),
    (Kind.PHONE, 0.93, r"\b(?:phone|telephone|tel|cell|cellular|mobile|home|work|office|pager|pgr|beeper|paged?|call(?:ed|back)?|contact|voicemail|hotline)(?:\s*(?:number|no\.?|#|phone))?(?:\s*(?:is|at|on|him|her|me|us|back))*\s*[:#.]{0,2}\s*#?(?P<value>\+?\(?\d[\d() .\u2013-]{2,17}\d)\b(?!\s?(?:mg|days?|weeks?|hours?|years?|months?|units?|times))", re.IGNORECASE),
    (Kind.VEHICLE, 0.95, r"(?<![\w-])(?=[A-HJ-NPR-Z0-9]*\d[A-HJ-NPR-Z0-9]*\d)(?=[A-HJ-NPR-Z0-9]*[A-HJ-NPR-Z])[A-HJ-NPR-Z0-9]{17}(?![\w-])", 0),
    (Kind.VEHICLE, 0.98, r"\b(?:plates?|tags?)(?:\s*(?:number|no\.?|#|is|was|of|reading|:))*\s*(?P<value>[A-Z]{2,3}[- ]?\d{3,4}|\d[A-Z]{3}[- ]?\d{3}|\d{3}[- ][A-Z]{3}|[A-Z]{1,2}\d{2}[- ]?[A-Z]{3})(?![\w-])", 0),
    (Kind.DEVICE, 0.98, r"\(01\)\s?\d{14}(?:\s?\(\d\d\)\s?[\w-]{1,20}){0,6}", 0),
    (Kind.LICENCE, 0.9, r"(?<![\w-])[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}(?![\w-])", 0),
    (Kind.HEALTH_PLAN, 0.95, r"(?<![\w-])[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d\d(?![\w-])", 0),
    (Kind.ACCOUNT, 0.95, r"(?<![\w-])(?:\d{4}[- ]){3}\d{3,4}(?![\w-])", 0),
    (Kind.ACCOUNT, 0.95, r"(?<![\w-])3[47]\d\d[- ]\d{6}[- ]\d{5}(?![\w-])", 0),
    (Kind.ACCOUNT, 0.95, r"(?<![\w-])[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])", 0),
    (Kind.PHOTOGRAPH, 0.9, r"(?<![\w/.-])[\w.-]{1,80}\.(?:jpe?g|png|heic|tiff?|bmp|gif)(?!\w)", re.IGNORECASE),
    (Kind.OTHER, 0.9, r"(?<![\w-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w-])", re.IGNORECASE),
    (Kind.OTHER, 0.85, r"(?<!\w)(?:@[A-Za-z]\w{2,30})(?!\w)", 0),
    (Kind.OTHER, 0.7, r"(?<![\w.,:/+^-])\d{7,25}(?![\w^]|[.,]\d|\s?(?:/|cells|copies|units?|CFU|IU|mL)\b)", 0),
    (Kind.OTHER, 0.7, r"(?<![\w./-])(?=[A-Z0-9-]*\d[A-Z0-9-]*\d[A-Z0-9-]*\d[A-Z0-9-]*\d[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)*(?![\w/-]|\.\d)", 0),
    (Kind.OTHER, 0.7, r"(?<![\w./-])\d{2,6}(?:-\d{2,6}){2,4}(?![\w-]|\.\d)", 0),
)  # fmt: skip
"""Kind, how sure, form, flags. The group `value` of a form, where it has one, is the identifier."""

_AGE = re.compile(
    r"(?<![\w.])(?P<age>9\d|1[01]\d|12[0-5])(?=\s*-?\s*(?:years?|yrs?|y)\b\.?(?:\s*-?\s*(?:old|o\b|of\s+age))|\s*[-/]?\s*(?:y/?\.?o\b|yo\b|yr/old|y\.o\.|YO\b|Y/O\b|岁|周岁))"
    r"|\b(?:aged?|age\s+(?:of|is|was)|age:|AGE:|Age:|turned|turning|at\s+age)\s*(?P<age2>9\d|1[01]\d)(?![\w%]|\.\d|\s*(?:mg|mm|days|weeks|months|hours))"
    r"|\b(?:in\s+(?:his|her|their)\s+(?:early\s+|mid[- ]?|late\s+)?)(?P<age3>9\ds|nineties)\b"
    r"|\b(?P<age4>ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a)\s+hundred(?:\s+(?:and\s+)?(?:one|two|three|four|five|six))?)(?=[- ]years?[- ](?:old|of\s+age))"
    r"|(?P<age5>九十[一二三四五六七八九]?|一百[零一二三四五]?[一二三四五]?)(?=周?岁)"
    r"|(?<![\w/.-])(?P<age6>9\d|10\d)(?=\s?[-]?\s?(?:F|M|yF|yM)\b(?!\s*\d|°))"
    r"|(?<![\w/.-])(?P<age7>9\d|10\d)(?=[- ](?:year|yr)[- ]old)",
    re.IGNORECASE,
)
_VALUE = r"(?P<value>(?:[A-Z]{1,5}[- ]?)?(?=[A-Z0-9*./-]{0,24}\d)[A-Z0-9*]+(?:[-/][A-Z0-9*]+|\.\d[A-Z0-9*]*)*(?: (?:(?=[A-Z0-9-]{0,12}\d)[A-Z0-9-]{2,8}\b(?!\s*(?:mg|ml|cm|mm|hours|days|weeks|year))))*)"
_SAID = r"(?:\s*(?:number|numbers|num|no\b\.?|nr\.?|nbr\.?|#|id\b|card|code|was|is|of|are|as|reads|reading|:|=|\(|-(?=\s)))*\s*"
_MARKED = r"(?:(?:\s*(?:number|numbers|num|no\b\.?|nr\.?|#|id\b|identifier|identification|card|code|is|of|as))*\s*(?:#|:|=|number|no\b\.?|\bid\b|identifier|code|card|\bis\b)\s*(?:is\b|was\b|:|#|\(|of\b)?\s*)"
_NUMBERED = (
    r"(?:\s*(?:(?:number|num\b|no\b\.?|nr\.?|#|id\b|identifier)\s*(?::|#|is\b|was\b|of\b|=)?\s*#?)\s*)"
)
_FAX_BEFORE = re.compile(
    r"(?:\bfax(?:ed)?(?:\s*(?:number|no\.?|#|is|to|at|it|line))*|\bF|传真)\s*[:：.]?\s*$", re.IGNORECASE
)
_FAX = re.compile(r"\bfax(?:ed)?(?:\s*(?:number|no\.?|#|is|to|at|line|us|it))*\s*[:#.]{0,2}\s*(\+?\(?\d[\d() .\u2013-]{5,17}\d)\b", re.IGNORECASE)  # fmt: skip


@cache
def _compiled() -> tuple[list[tuple[Kind, float, re.Pattern[str]]], re.Pattern[str], dict[str, Kind]]:
    forms = [
        (kind, confidence, re.compile(form, flags | re.ASCII)) for kind, confidence, form, flags in _FORMS
    ]
    kinds: dict[str, Kind] = {}
    by_mark: dict[str, list[str]] = {"": [], "marked": [], "number": []}
    for line in _LABELS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            words, kind, mark = line.split("\t")
            kinds[re.sub(r"[\s.'’-]", "", words)] = Kind(kind)
            by_mark[mark].append(words)
    alternatives = [
        rf"(?:{'|'.join(_spelled(words) for words in sorted(by_mark[mark], key=len, reverse=True))}){after}"
        for mark, after in (("number", _NUMBERED), ("marked", _MARKED), ("", _SAID))
    ]
    # The label is found first, whatever follows; a value without a digit is none.
    labelled = re.compile(rf"(?<![^\W\d_])(?P<label>{'|'.join(alternatives)}){_VALUE}", re.IGNORECASE)
    return forms, labelled, kinds


def _spelled(words: str) -> str:
    parts = [re.escape(part).replace("'", "['’]?") for part in words.split()]
    return r"[\s.-]{0,2}".join(parts) + r"(?:['’]s)?\b\.?"


def find_numbers(text: str) -> Iterator[Found]:
    """Identifiers by form or by label, in no order; they may overlap."""
    forms, labelled, kinds = _compiled()
    for kind, confidence, pattern in forms:
        for match in pattern.finditer(text):
            group: str | int = "value" if "value" in pattern.groupindex else 0
            start = match.start(group)
            is_fax = kind is Kind.PHONE and _FAX_BEFORE.search(text, max(0, start - 24), start)
            yield Found(start, match.end(group), Kind.FAX if is_fax else kind, confidence)
    for match in _FAX.finditer(text):
        yield Found(match.start(1), match.end(1), Kind.FAX, 0.97)
    for match in labelled.finditer(text):
        value = match["value"]
        kind_of = _kind(match["label"], kinds)
        if kind_of is None or not _is_identifier(value, kind_of):
            continue
        yield Found(match.start("value"), match.end("value"), kind_of, 0.975)
    for match in _AGE.finditer(text):
        name = match.lastgroup or ""
        yield Found(match.start(name), match.end(name), Kind.AGE, 0.95)


def _kind(label: str, kinds: dict[str, Kind]) -> Kind | None:
    """The kind of the longest words of the list that the label begins with."""
    name = re.sub(r"[\s.'’-]", "", label.lower())
    for end in range(len(name), 0, -1):
        if name[:end] in kinds:
            return kinds[name[:end]]
    return None


def _is_identifier(value: str, kind: Kind) -> bool:
    digits = sum(c.isdigit() for c in value)
    if kind in {Kind.OTHER, Kind.DEVICE, Kind.HEALTH_PLAN}:
        return digits >= 3
    return digits >= 2
