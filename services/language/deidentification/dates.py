"""Dates in every form that notes write them in: where they stand, and the same form some days later.

What counts is Safe Harbor's: all elements but the year. A year alone ("since 2003") and a time of day are no
identifiers. A form that names a day or a month without saying which ("the 5th", "Easter") is one, and its
surrogate is worth less: see `shifted`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from services.language.deidentification.identifiers import Found, Kind

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_SHORT_MONTHS = {**{name[:3].lower(): n for n, name in enumerate(MONTHS, 1)}, "sept": 9}
_ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
]

_MONTH = (
    r"(?P<month>january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec)"
)
_DAY = r"(?P<day>3[01]|[12]\d|0?[1-9])"
_DAY_WORD = (
    rf"(?P<dayword>{'|'.join(sorted((w.replace('-', '[- ]') for w in _ORDINALS), key=len, reverse=True))})"
)
_YEAR = r"(?P<year>(?:18|19|20|21)\d\d)"
_SHORT_YEAR = r"(?P<year>(?:18|19|20|21)\d\d|['’]?\d\d)"
_TH = r"(?:st|nd|rd|th)?"
_APART = r"(?:(?<=\d{4}-)|(?<=/\d\d-)|(?<![\w/-]))(?<!\d\.)"
"""Before a number that begins a date."""
_DONE = r"(?!\w|[/-]\d|\.\d)"
_NUMBER_DONE = r"(?!\d|/\d|\.\d|%)"
"""After a year, which exports run into the next header ("2007HISTORY")."""

_FORMS: tuple[tuple[str, float], ...] = (
    # 2019-03-05, 2019/3/5T14:22:00Z
    (
        (rf"{_APART}{_YEAR}(?P<s>[-/.])(?P<month2>1[0-2]|0?[1-9])(?P=s){_DAY}"
        r"(?:[T ]?(?<=T)\d\d:?\d\d(?::?\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)"),
        0.99,
    ),
    # 03/05/2019, 3-5-19, 5.3.2019
    (rf"{_APART}(?P<a>\d{{1,2}})(?P<s>[/-])(?P<b>\d{{1,2}})(?P=s){_SHORT_YEAR}{_NUMBER_DONE}", 0.99),
    (rf"{_APART}(?P<a>\d{{1,2}})(?P<s>\.)(?P<b>\d{{1,2}})(?P=s)(?P<year>(?:19|20)\d\d){_NUMBER_DONE}", 0.99),
    (rf"{_APART}(?P<a>0[1-9]|[12]\d|3[01])(?P<s>\.)(?P<b>0[1-9]|1[0-2])(?P=s)(?P<year>\d\d){_NUMBER_DONE}", 0.9),
    # 20190305
    (r"(?<![\w-])(?<!\d\.)(?P<year>(?:19|20)\d\d)(?P<s>)(?P<month2>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])(?!\w|[.-]\d)", 0.9),
    # 05-Mar-2019, 5 Mar 19, 05MAR2019
    (rf"{_APART}{_DAY}(?P<s>[-/. ]?){_MONTH}\.?[-/., ]{{0,2}}{_SHORT_YEAR}{_NUMBER_DONE}", 0.98),
    # March 5th, 2019; Mar. 5 '19; Mar-05-2019
    (rf"(?<![\w]){_MONTH}\.?[- ]{{0,2}}(?:the )?{_DAY}{_TH}(?:\s*,\s*|\s+of\s+|[-/]|\s+){_SHORT_YEAR}(?![\d/]|[.,]\d|\s*(?:mg|mcg|ml|cm|mm|%|units|hours|days|weeks|a\.?m|p\.?m))", 0.98),
    (rf"(?<![\w]){_MONTH}\s+(?:the )?{_DAY_WORD}(?:\s*,?\s*(?:of\s+)?{_YEAR})?(?!\w)", 0.97),
    # 5th of March 2019, the fifth of March
    (rf"(?:\bthe\s+)?(?<![\w./])(?:{_DAY}{_TH}|{_DAY_WORD})\s+(?:day\s+)?(?:of\s+)?{_MONTH}\b\.?(?:,?\s+(?:of\s+)?{_YEAR})?(?!\d)", 0.97),
    # March of 2019, March 2019, Mar/2019, Mar '19
    (rf"(?<![\w]){_MONTH}\.?(?:\s*,\s*|\s+of\s+|\s+|[-/])(?P<year>(?:18|19|20|21)\d\d|['’]\d\d)(?!\d|\s*(?:mg|ml))", 0.98),
    # March 5, March 5th
    (rf"(?<![\w])(?P<cased>{_MONTH})\.?\s+(?:the )?{_DAY}{_TH}(?!\w|[.,/:]\d|\s*(?:mg|mcg|ml|cm|mm|%|units|hours|days|weeks|months|years|times))", 0.95),
    # 03/2019
    (rf"{_APART}(?P<month2>1[0-2]|0?[1-9])(?P<s>[/-]){_YEAR}(?!\d|[/-])", 0.95),
)  # fmt: skip

_FULL = [(re.compile(pattern, re.IGNORECASE | re.ASCII), confidence) for pattern, confidence in _FORMS]

_IN_TIME = (
    r"(?:in|of|since|last|until|till|before|after|by|early|late|mid|mid-|this|next|during|from|to|through|thru|between|and|past"
    r"|previous|around|beginning|end|coming|every|dated|for|on)"
)
_BARE_MONTH = re.compile(
    r"(?<![\w])(?P<month>January|February|April|June|July|August|September|October|November|December"
    r"|JANUARY|FEBRUARY|JUNE|JULY|SEPTEMBER|OCTOBER|NOVEMBER|DECEMBER)(?!\w)"
    rf"|(?:(?<=\s)|^)(?i:{_IN_TIME})\s+(?P<month3>March|May|MARCH|AUGUST|Sept|Jan|Feb|Aug|Oct|Nov|Dec)\b\.?(?!\s*[-']\s*\w)"
)
_BARE_MONTH_LOWER = re.compile(
    r"\b(?:in|since|last|until|by|early|late|mid|this|next|during)\s+(?P<month>january|february|march|april|june|july|august|september|october|november|december)\b"
)
_CUE = r"(?i:on|since|until|till|dated|from|admitted|discharged|seen|thru|through|before|after|last|due|by|starting|of|to|for|and|date:?|dob:?|effective|mon|tues?|wed|thurs?|fri|sat|sun|(?:mon|tues|wednes|thurs|fri|satur|sun)day)"
_SHORT = re.compile(
    rf"(?:(?<=\s)|(?<=^)|(?<=\())(?P<cue>{_CUE})\s+(?P<date>(?P<a>1[0-2]|0?[1-9])(?P<s>[/-])(?P<b>3[01]|[12]\d|0?[1-9]))(?![\w/%-]|\.\d|\s*(?i:strength|murmur|pain|inch|tablet|tab|cup|of|dose|weeks?|days?|hours?|months?|years?|cm|mm|mg|power|muscle|grade))"
)
_SHORT_ALONE = re.compile(r"(?P<a>\d{1,2})(?P<s>[/-])(?P<b>\d{1,2})")
_CUES_OF_FRACTIONS = frozenset(
    {"of", "to", "for", "and", "from", "by", "last", "before", "after", "through", "due"}
)
_FRACTION_ENDS = frozenset({2, 3, 4, 5, 6, 8, 10})
_DAY_ALONE = re.compile(
    r"\b(?:on|by|since|until|till|before|after|from|of)\s+(?P<whole>the\s+(?P<day>3[01]|[12]\d|[1-9])(?:st|nd|rd|th))"
    r"(?=\s*(?:[.,;:)\n]|$|and\b|or\b|for\b|at\b|with\b|when\b|because\b|to\b|but\b|after\b|before\b|of\s+(?:this|last|the|next)\s+month|she\b|he\b|we\b|in\s+the\s+(?:morning|afternoon|evening)))",
    re.IGNORECASE,
)
_SEASON = re.compile(
    r"\b(?:(?:early|late|mid)[ -])?(?:spring|summer|fall|autumn|winter)\s+(?:of\s+)?(?P<year>(?:19|20)\d\d|['’]\d\d)(?!\d)",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(
    r"(?<![\w])(?<!every )(?<!each )(?P<weekday>Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|MONDAY|TUESDAY|WEDNESDAY|THURSDAY|FRIDAY|SATURDAY|SUNDAY)(?!\w)(?!-)"
    r"|(?:(?<=\son )|(?<=^on )|(?<=\slast )|(?<=\snext )|(?<=\sthis )|(?<=\sOn ))(?P<weekday2>monday|tuesday|wednesday|thursday|friday|saturday|sunday|Mon|Tues|Tue|Wed|Thurs|Thur|Thu|Fri|Sat|Sun)\b\.?"
    r"|(?<![\w])(?P<weekday3>Mon|Tues?|Wed|Thur?s?|Fri|Sat|Sun)\.?(?=,?\s+(?:\d{1,2}/|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)))"
)
_HOLIDAY = re.compile(
    r"(?<![\w])(?:Christmas(?:\s+(?:Eve|Day))?|X-?mas|Thanksgiving(?:\s+Day)?|Easter(?:\s+(?:Sunday|Monday))?|New\s+Year(?:['’]?s)?(?:\s+(?:Eve|Day))?|Halloween"
    r"|(?:Labor|Memorial|Independence|Veterans?['’]?|Columbus|Presidents?['’]?s?|Valentine['’]?s|Mother['’]?s|Father['’]?s|St\.?\s+Patrick['’]?s|Martin\s+Luther\s+King(?:\s+Jr\.?)?|MLK|Boxing|Groundhog|Flag|Canada|Patriots?['’]?|Indigenous\s+Peoples?['’]?|Bastille|Anzac|All\s+Saints['’]?)\s+Day"
    r"|(?:the\s+)?(?:4th|Fourth)\s+of\s+July|July\s+(?:4th|Fourth)|Good\s+Friday|Palm\s+Sunday|Ash\s+Wednesday|Black\s+Friday|Super\s*Bowl(?:\s+Sunday)?|Cinco\s+de\s+Mayo|Mardi\s+Gras|Juneteenth|Kwanzaa|Hanukkah|Chanukah|Passover|Rosh\s+Hashanah|Yom\s+Kippur|Ramadan|Eid(?:\s+al-\w+)?|Diwali|Holi|Lunar\s+New\s+Year|Chinese\s+New\s+Year|Labor\s+day|Memorial\s+day)(?!\w)"
    r"|\b(?:christmas|thanksgiving|halloween|new year['’]?s(?:\s+(?:eve|day))|labor day|memorial day|easter sunday|valentine['’]?s day|independence day|fourth of july|4th of july)\b"
    r"|\b(?:CHRISTMAS|THANKSGIVING|EASTER|HALLOWEEN)\b"
)
_CHINESE_DIGITS = {c: n for n, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "○": 0}
_NUM = r"(?:\d{1,2}|[一二三四五六七八九十]{1,3})"
_CHINESE = re.compile(
    rf"(?:(?P<year>\d{{4}}|[〇零○一二三四五六七八九]{{4}})\s*年\s*)?(?P<month2>{_NUM})\s*月\s*(?:份|(?P<day>{_NUM})\s*[日号])"
    rf"|(?P<year2>\d{{4}}|[〇零○一二三四五六七八九]{{4}})\s*年\s*(?P<month3>{_NUM})\s*月"
    r"|(?:上|下|本|这)?(?:周|星期|礼拜)[一二三四五六日天](?!次)"
    r"|春节|元旦|中秋节|国庆节|端午节|清明节|元宵节|除夕|劳动节|儿童节|圣诞节|重阳节"
    rf"|(?:农历|阴历)(?:\d{{4}}年)?[正一二三四五六七八九十冬腊]+月(?:初?[一二三四五六七八九十廿]+)?"
)  # fmt: skip


def find_dates(text: str) -> Iterator[Found]:
    """The dates of `text`, in the order of the forms; they may overlap."""
    for pattern, confidence in _FULL:
        for match in pattern.finditer(text):
            groups = match.groupdict()
            if groups.get("a") and not _month_and_day(groups):
                continue
            cased = groups.get("cased") or ""
            if cased and cased[0].islower() and cased in {"may", "march", "mar", "sat", "dec", "jan"}:
                continue
            if groups.get("month") and match["month"] in {"may", "march"} and not groups.get("year"):
                continue
            yield Found(match.start(), match.end(), Kind.DATE, confidence)
    yield from _found(_BARE_MONTH, text, 0.85, ("month", "month3"))
    yield from _found(_BARE_MONTH_LOWER, text, 0.8, ("month",))
    for match in _SHORT.finditer(text):
        a, b = int(match["a"]), int(match["b"])
        if match["cue"].lower() in _CUES_OF_FRACTIONS and (a <= b and b in _FRACTION_ENDS):
            continue
        if match["s"] == "-" and match["cue"].lower() in _CUES_OF_FRACTIONS | {"every"}:
            continue  # "for 3-5 days", "of 2-3"
        yield Found(match.start("date"), match.end("date"), Kind.DATE, 0.7)
    yield from _found(_DAY_ALONE, text, 0.75, ("whole",))
    yield from _found(_SEASON, text, 0.8)
    yield from _found(_WEEKDAY, text, 0.85, ("weekday", "weekday2", "weekday3"))
    yield from _found(_HOLIDAY, text, 0.9)
    yield from _found(_CHINESE, text, 0.95)


def _found(
    pattern: re.Pattern[str], text: str, confidence: float, groups: tuple[str, ...] = ()
) -> Iterator[Found]:
    for match in pattern.finditer(text):
        name: str | int = next((group for group in groups if match.groupdict().get(group)), 0)
        yield Found(match.start(name), match.end(name), Kind.DATE, confidence)


@dataclass(frozen=True)
class _Written:
    """A date as written: what each part is and where in the form it stands."""

    year: int | None
    month: int | None
    day: int | None


def _month_and_day(groups: dict[str, str | None]) -> tuple[int, int] | None:
    """Of two numbers the month first, unless it cannot be; None where neither can."""
    a, b = int(groups["a"] or 0), int(groups["b"] or 0)
    if groups.get("s") == "." and 1 <= b <= 12 and 1 <= a <= 31:
        return b, a
    if 1 <= a <= 12 and 1 <= b <= 31:
        return a, b
    if 1 <= b <= 12 and 1 <= a <= 31:
        return b, a
    return None


def shifted(written: str, days: int) -> str | None:
    """The date that lies `days` after the one that `written` states, in the same form. Of one without a year
    any year is taken, of one without a day the middle of the month; of a weekday the weekday. None where the
    form does not say when it is ("Easter", "the 5th").
    """
    if (weekday := _weekday(written)) is not None:
        return _cased(WEEKDAYS[(weekday + days) % 7][: _length(written)], written)
    for pattern in (*(pattern for pattern, _ in _FULL), _SHORT_ALONE, _CHINESE):
        match = pattern.fullmatch(written)
        if match and (parts := _parts(match)):
            return _rendered(match, parts, days)
    name = written.strip(".").lower()
    if (month := _month(name)) is not None:
        moved = date(2001, month, 15) + timedelta(days)
        return _cased(MONTHS[moved.month - 1][: _length(written)], written)
    return None


def _month(name: str) -> int | None:
    full = [month.lower() for month in MONTHS]
    return full.index(name) + 1 if name in full else _SHORT_MONTHS.get(name)


def _weekday(written: str) -> int | None:
    name = written.strip(".").lower()
    for number, weekday in enumerate(WEEKDAYS):
        if len(name) >= 3 and weekday.lower().startswith(name):
            return number
    return None


def _length(written: str) -> int | None:
    """How many letters an abbreviation has; None of a whole name."""
    name = written.strip(".")
    return 3 if len(name) <= 4 and name.lower() not in {"june", "july", "may"} else None


def _parts(match: re.Match[str]) -> _Written | None:
    groups = match.groupdict()
    year = _number(groups.get("year") or groups.get("year2"))
    if year is not None and year < 100:
        year += 2000 if year < 50 else 1900
    if groups.get("a"):
        found = _month_and_day(groups)
        return None if found is None else _Written(year, *found)
    if groups.get("month"):
        month = _month(groups["month"].lower())
    else:
        month = _number(groups.get("month2") or groups.get("month3"))
    if groups.get("dayword"):
        day: int | None = _ORDINALS.index(groups["dayword"].lower().replace(" ", "-")) + 1
    else:
        day = _number(groups.get("day"))
    return None if month is None or not 1 <= month <= 12 else _Written(year, month, day)


def _number(text: str | None) -> int | None:
    if not text:
        return None
    text = text.lstrip("'’")
    if text.isascii() and text.isdigit():
        return int(text)
    if "十" in text:
        tens, _, ones = text.partition("十")
        return _CHINESE_DIGITS.get(tens, 1) * 10 + _CHINESE_DIGITS.get(ones, 0)
    return int("".join(str(_CHINESE_DIGITS[c]) for c in text))


def _rendered(match: re.Match[str], parts: _Written, days: int) -> str | None:
    try:
        moved = date(parts.year or 2001, parts.month or 1, parts.day or 15) + timedelta(days)
    except (ValueError, OverflowError):
        return None
    new: dict[str, str] = {}
    groups = match.groupdict()
    pads = any((groups.get(group) or "").startswith("0") for group in ("a", "b", "month2", "day"))
    for group, old in groups.items():
        if not old:
            continue
        if group in {"year", "year2"}:
            mark = old[0] if old[0] in "'’" else ""
            digits = len(old) - len(mark)
            new[group] = mark + (f"{moved.year % 100:02}" if digits == 2 else str(moved.year))
            if not old.lstrip("'’").isascii() or not old.lstrip("'’").isdigit():
                new[group] = "".join("〇一二三四五六七八九"[int(c)] for c in str(moved.year))
        elif group == "month":
            name = MONTHS[moved.month - 1]
            new[group] = _cased(name[: _length(old)], old)
        elif group in {"month2", "month3"}:
            new[group] = _padded(moved.month, old, pads)
        elif group == "day":
            new[group] = _padded(moved.day, old, pads)
        elif group == "dayword":
            new[group] = _cased(_ORDINALS[moved.day - 1], old)
    if groups.get("a"):
        first = (parts.month, parts.day) == (int(match["a"]), int(match["b"]))
        pair = (moved.month, moved.day) if first else (moved.day, moved.month)
        new["a"], new["b"] = (_padded(n, match[g], pads) for n, g in zip(pair, "ab", strict=True))
    text = match.string
    at, result = match.start(), []
    for group in sorted(new, key=match.start):
        result += [text[at : match.start(group)], new[group]]
        at = match.end(group)
    written = "".join([*result, text[at : match.end()]])
    return re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", _ending(moved.day), written, flags=re.IGNORECASE)


def _ending(day: int) -> str:
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _padded(number: int, old: str, pads: bool) -> str:
    if not old.isascii():
        return _chinese(number)
    return f"{number:02}" if pads else str(number)


def _chinese(number: int) -> str:
    ones = "" if number % 10 == 0 else "一二三四五六七八九"[number % 10 - 1]
    tens = number // 10
    return ("" if tens == 0 else "十" if tens == 1 else "一二三"[tens - 1] + "十") + ones


def _cased(word: str, like: str) -> str:
    if like.isupper():
        return word.upper()
    return word.lower() if like.islower() else word[0].upper() + word[1:]
