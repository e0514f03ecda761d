# Long because: it is one row of forms for each kind of identifier.
"""Makes identifiers that are nobody's: names, dates, numbers, places. Of `train` and `test` neither names nor forms are shared."""

from __future__ import annotations

import random
import re
import string
import zlib
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache

from services.language.deidentification.dates import MONTHS, WEEKDAYS
from services.language.deidentification.identifiers import Kind
from services.language.deidentification.lexicon import default_lexicon


def is_of_part(word: str, part: str) -> bool:
    """Whether a word of a list is a name of that part."""
    return (zlib.crc32(word.encode()) % 2 == 0) == (part == "test")


_TEST_GIVEN = {
    "f": "Siobhán Anneliese Ngozi Thandiwe Oluwaseun Ayşe Zehra Emine Saoirse Ingeborg Maarit Kirsi Päivi Aoife Niamh Dagny Sólveig Marisela Xiomara Yesenia Guadalupe Thuy Linh Huong Xiaoling Meiling Yuki Haruka Eun-ji Priyanka Lakshmi Fatoumata Ludmila Svetlana Zsófia Katalin Agnieszka Małgorzata".split(),
    "m": "Oluwadamilare Thabo Sipho Mehmet Yusuf Emre Eoghan Padraig Mikko Jukka Björn Torbjørn László Zoltán Wojciech Zbigniew Krzysztof Jesús Nguyen Tuan Quang Xiaoming Zhiwei Haoran Takeshi Hiroshi Min-jun Rajesh Venkatesh Abdulrahman Mamadou Vladimir Dmitri Ezekiel".split(),
}
_TEST_SURNAMES = (
    "Okonkwo-Bello Adeyemi Nkosi Dlamini Yılmaz Öztürk Kaya Ó'Súilleabháin Virtanen Korhonen Mäkelä Nagy Szabó Horváth Papadopoulos Georgiou Wiśniewska"
    " Wójcik Łukasiewicz Fernández-Ruiz Villalobos Echeverría Trần Phạm Đặng Bùi Xie Zhuang Ouyang Tanaka Watanabe Hwang Baek Venkataraman Subramanian"
    " Al-Hashimi El-Sayed Traoré Diallo Kuznetsova Shevchenko Haugen Sørensen Vandenberghe Hollingsworth-Pike St. Clair De La Cruz O'Shaughnessy MacGillivray"
    " Will May Rose Brown Long Short Hand Foot Bone Blood Pain Early Gray Young Best Day Rich Grant Hart Case Post Graves Downs Parkinson Foley Bell Crohn"
).split()
_WORD_NAMES = (
    "Will Mark Grace Hope Faith Joy Dawn Summer Autumn Rose Lily Daisy Ivy Pearl Ruby Bill Frank Art Drew Chase Hunter Mason Carter Cooper Parker Page"
    " April June May Austin Dallas Carol Robin Rusty Sandy Misty Amber Olive Violet Iris Heather Penny Chance Miles Rich Guy Jack Pat Rob Sue Ray Gene"
).split()
_TRAIN_WORD_SURNAMES = (
    "White Black Green Price Wells Rivers Lake Hill Woods Stone Park Fields Banks Cross Church Bishop King Prince Knight Page Marsh Moss Reed Wolf Fox"
    " Lamb Bird Drake Swan Fish Rice Berry Cherry Olive Pepper Salt Sweet Sharp Strong Little Small Large High Low Noble Wise Good Love Joy Moon Snow Winter"
    " Frost Rain Storm Skinner Head Back Cheek Heart Kidney Payne Aiken Childs Ward Nurse Coffin Down Gleason Babinski Hodgkin Cushing Addison Swan Doppler"
).split()
OWN_OF_TEST = frozenset({*_TEST_SURNAMES, *_TEST_GIVEN["f"], *_TEST_GIVEN["m"]})
"""Names of `test` that are in no list, or words too; never names of `train`."""


@cache
def _names(part: str) -> tuple[list[str], list[str], list[str]]:
    """Female and male given names, and surnames: those of the lists that are the part's."""
    lexicon = default_lexicon()
    own = "test" if part == "test" else "train"
    given = {
        g: [
            _titled(n)
            for n, gender in sorted(lexicon.given.items())
            if gender in {g, "fm"} and is_of_part(n, own) and len(n) > 2
            if own == "test" or _titled(n) not in OWN_OF_TEST
        ]
        for g in "fm"
    }
    surnames = [
        _titled(n)
        for n in sorted(lexicon.surnames)
        if is_of_part(n, own) and len(n) > 2 and (own == "test" or _titled(n) not in OWN_OF_TEST)
    ]
    return given["f"], given["m"], surnames


def _titled(name: str) -> str:
    name = "-".join(part.capitalize() for part in name.split("-"))
    name = re.sub(r"'(\w)", lambda m: "'" + m.group(1).upper(), name)
    return re.sub(r"^(Mc)(\w)", lambda m: m.group(1) + m.group(2).upper(), name)


def _syllables(rng: random.Random) -> str:
    """A name in no list."""
    parts = rng.choices(
        "ba be bo da do fe ga go ha ja ka ko la le lo ma mi mo na ni no pa ra re ri ro sa se si ta te to va vi ya zu cha sha tho gre bri kla dra wen zel rik mar tin son ski".split(),
        k=rng.randint(2, 4),
    )
    return "".join(parts).capitalize()


class Maker:
    """Makes identifiers of a part, by a seed."""

    def __init__(self, part: str, seed: int) -> None:
        self.rng = random.Random(f"{part}{seed}")
        self.part = "test" if part == "test" else "train"
        self._female, self._male, self._surnames = _names(part)

    # Names.

    def ffirst(self) -> str:
        return self._given("f")

    def mfirst(self) -> str:
        return self._given("m")

    def first(self) -> str:
        return self._given(self.rng.choice("fm"))

    def _given(self, gender: str) -> str:
        rng = self.rng
        chance = rng.random()
        if self.part == "test" and chance < 0.25:
            return rng.choice(_TEST_GIVEN[gender])
        if chance < 0.3:
            word = rng.choice(_WORD_NAMES)
            return word if is_of_part(word, self.part) else self._given(gender)
        if self.part == "train" and chance < 0.4:
            return _syllables(rng)
        return rng.choice(self._female if gender == "f" else self._male)

    def last(self) -> str:
        rng = self.rng
        chance = rng.random()
        if chance < 0.2:
            return rng.choice(_TEST_SURNAMES) if self.part == "test" else rng.choice(_TRAIN_WORD_SURNAMES)
        if self.part == "train" and chance < 0.35:
            return _syllables(rng)
        if chance < 0.42:
            return f"{rng.choice(self._surnames)}-{rng.choice(self._surnames)}"
        if chance < 0.46:
            particle = rng.choice(
                ("van der", "Van", "de", "von")
                if self.part == "train"
                else ("van den", "de la", "Della", "ter")
            )
            return f"{particle} {rng.choice(self._surnames)}"
        if chance < 0.49:
            return f"O'{rng.choice(self._surnames)}"
        return rng.choice(self._surnames)

    def name(self) -> str:
        rng = self.rng
        first, last = self.first(), self.last()
        middle = rng.choice(string.ascii_uppercase)
        forms: list[Callable[[], str]] = [
            lambda: f"{first} {last}",
            lambda: f"{first} {last}",
            lambda: f"{first} {middle}. {last}",
        ]
        if self.part == "train":
            forms += [
                lambda: f"{first[0]}. {last}",
                lambda: f"{first} {self.first()} {last}",
                lambda: f"{last}, {first}",
                lambda: f"{first} {last} Jr.",
            ]
        else:
            forms += [
                lambda: f"{first[0]}. {middle}. {last}",
                lambda: f"{first[0]}.{middle}. {last}",
                lambda: f"{last}, {first} {middle}.",
                lambda: f"{first} {middle} {last}",
                lambda: f"{first} {last}, III",
                lambda: f"{first} {last} {self.rng.choice(self._surnames)}",
            ]
        return rng.choice(forms)()

    def NAME(self) -> str:  # noqa: N802 - named after the field
        return self.name().upper()

    def LASTFIRST(self) -> str:  # noqa: N802
        middle = self.rng.choice(
            [
                "",
                f" {self.rng.choice(string.ascii_uppercase)}",
                f" {self.rng.choice(string.ascii_uppercase)}.",
            ]
        )
        return f"{self.last()}, {self.first()}{middle}".upper()

    def lowername(self) -> str:
        female = self.rng.random() < 0.5
        given = self.rng.choice(self._female if female else self._male)
        return f"{given} {self.rng.choice(self._surnames)}".lower()

    def initial(self) -> str:
        return f"{self.rng.choice(string.ascii_uppercase)}."

    def initials(self) -> str:
        a, b, c = (self.rng.choice(string.ascii_uppercase) for _ in range(3))
        form = f"{a}.{b}." if self.part == "train" else f"{a}. {b}. {c}."
        return f"{form} {self.last()}"

    # Dates.

    def _day(self) -> date:
        return date(1930, 1, 1) + timedelta(self.rng.randint(0, 34_000))

    def date(self) -> str:
        d, rng = self._day(), self.rng
        month, short = MONTHS[d.month - 1], MONTHS[d.month - 1][:3]
        th = "th" if 11 <= d.day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(d.day % 10, "th")
        yy = f"{d.year % 100:02}"
        forms = {
            "train": [f"{d.month}/{d.day}/{d.year}", f"{d.month:02}/{d.day:02}/{d.year}", f"{d.month}/{d.day}/{yy}", f"{month} {d.day}, {d.year}", f"{month} {d.year}", f"{month} {d.day}", f"{d.day} {short} {d.year}", f"{d.isoformat()}", f"{d.month}-{d.day}-{yy}", f"{short}. {d.day}, {d.year}"],
            "test": [f"{d.month:02}-{d.day:02}-{d.year}", f"{d.month:02}/{d.day:02}/{yy}", f"{month} {d.day}{th}, {d.year}", f"{month} of {d.year}", f"the {d.day}{th} of {month}", f"{d.day:02}-{short.upper()}-{d.year}", f"{d.day}/{short}/{yy}", f"{d.year}/{d.month:02}/{d.day:02}", f"{d.month}/{d.year}", f"{short} {d.day} {d.year}", f"{month} {d.day}{th}", f"{d.isoformat()}T08:30:00Z", f"{d.day} {month} {d.year}", f"{d.year}{d.month:02}{d.day:02}"],
        }  # fmt: skip
        return rng.choice(forms[self.part])

    def DATE(self) -> str:  # noqa: N802
        return self.date().upper()

    def month(self) -> str:
        month = self.rng.choice(
            [m for m in MONTHS if m not in {"May", "March"}] if self.part == "train" else MONTHS
        )
        return month if self.rng.random() < 0.5 else f"{month} {self._day().year}"

    def weekday(self) -> str:
        return self.rng.choice(WEEKDAYS)

    def holiday(self) -> str:
        return self.rng.choice(
            ("Christmas", "Thanksgiving", "Easter", "Labor Day", "Halloween")
            if self.part == "train"
            else (
                "New Year's Eve",
                "Memorial Day",
                "the Fourth of July",
                "Mother's Day",
                "Christmas Eve",
                "Valentine's Day",
            )
        )

    def nth(self) -> str:
        day = self.rng.randint(1, 31)
        return f"{day}{'th' if 11 <= day <= 13 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"

    def time(self) -> str:
        return f"{self.rng.randint(1, 12)}:{self.rng.randint(0, 59):02} {self.rng.choice(('AM', 'p.m.', 'hours'))}"

    # Numbers.

    def digits(self, count: int) -> str:
        return "".join(self.rng.choices(string.digits, k=count))

    def letters(self, count: int) -> str:
        return "".join(self.rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=count))

    def _one(self, train: Sequence[str], test: Sequence[str]) -> str:
        return self.rng.choice(train if self.part == "train" else test)

    def phone(self) -> str:
        a, b, c = str(self.rng.randint(201, 989)), str(self.rng.randint(200, 999)), self.digits(4)
        return self._one(
            [f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"{b}-{c}", f"1-{a}-{b}-{c}"],
            [
                f"{a}.{b}.{c}",
                f"({a}){b}-{c}",
                f"+1 {a} {b} {c}",
                f"{a} {b} {c}",
                f"{a}-{b}-{c} ext. {self.digits(3)}",
                f"+44 20 {self.digits(4)} {self.digits(4)}",
                f"{a}/{b}-{c}",
                f"{a}{b}{c}",
            ],
        )

    fax = phone

    def pager(self) -> str:
        return self._one(
            [self.digits(4)], [self.digits(4), self.digits(5), f"{self.digits(3)}-{self.digits(4)}"]
        )

    def ext(self) -> str:
        return self.digits(4)

    def ssn(self) -> str:
        a, b, c = self.digits(3), self.digits(2), self.digits(4)
        return self._one([f"{a}-{b}-{c}"], [f"{a}-{b}-{c}", f"{a} {b} {c}", f"{a}{b}{c}", f"XXX-XX-{c}"])

    def mrn(self) -> str:
        return self._one(
            [self.digits(7), f"{self.digits(2)}-{self.digits(2)}-{self.digits(2)}"],
            [
                self.digits(8),
                f"{self.letters(1)}{self.digits(6)}",
                f"{self.digits(3)}-{self.digits(4)}",
                f"{self.digits(3)} {self.digits(2)} {self.digits(2)}",
            ],
        )

    def acct(self) -> str:
        return self._one(
            [self.digits(9), f"{self.letters(2)}{self.digits(6)}"],
            [
                self.digits(10),
                f"{self.digits(4)}-{self.digits(4)}-{self.digits(4)}-{self.digits(4)}",
                f"{self.letters(1)}-{self.digits(6)}",
            ],
        )

    def plan(self) -> str:
        return self._one(
            [f"{self.letters(3)}{self.digits(9)}", self.digits(8)],
            [
                f"{self.letters(2)}-{self.digits(3)}-{self.digits(4)}",
                f"{self.digits(9)}{self.letters(1)}",
                f"1{self.letters(1).replace('S', 'A').replace('B', 'A').replace('L', 'A').replace('Z', 'A')}G4-TE5-MK73",
                f"W{self.digits(9)}",
            ],
        )

    def lic(self) -> str:
        return self._one(
            [f"{self.letters(1)}{self.digits(7)}"],
            [
                f"{self.letters(2)}-{self.digits(6)}",
                f"{self.digits(9)}",
                f"{self.letters(1)}{self.digits(3)}-{self.digits(4)}-{self.digits(4)}",
            ],
        )

    def plate(self) -> str:
        return self._one(
            [f"{self.letters(3)}-{self.digits(4)}"],
            [f"{self.digits(1)}{self.letters(3)}{self.digits(3)}", f"{self.letters(3)} {self.digits(3)}"],
        )

    def vin(self) -> str:
        return f"{self.digits(1)}{self.letters(3)}{self.digits(5)}{self.letters(2)}{self.digits(6)}".replace(
            "O", "A"
        ).replace("Q", "A")

    def dea(self) -> str:
        return f"{self.rng.choice('ABFM')}{self.letters(1).replace('I', 'A')}{self.digits(7)}"

    def npi(self) -> str:
        return f"1{self.digits(9)}"

    def acc(self) -> str:
        return self._one(
            [f"S{self.digits(2)}-{self.digits(5)}"],
            [
                f"{self.letters(2)}-{self.digits(2)}-{self.digits(6)}",
                self.digits(8),
                f"{self.digits(2)}:{self.letters(2)}{self.digits(7)}"[3:],
            ],
        )

    def device(self) -> str:
        return self._one(
            [f"{self.letters(3)}{self.digits(6)}", self.digits(7)],
            [
                f"{self.letters(2)}-{self.digits(5)}-{self.letters(1)}",
                f"{self.digits(4)}{self.letters(2)}{self.digits(3)}",
                f"{self.digits(3)}-{self.digits(6)}",
            ],
        )

    def lot(self) -> str:
        return self._one(
            [f"{self.letters(1)}{self.digits(5)}"],
            [f"{self.digits(4)}{self.letters(1)}{self.digits(2)}", self.digits(6)],
        )

    def udi(self) -> str:
        return f"(01){self.digits(14)}(17){self.digits(6)}(10){self.letters(1)}{self.digits(4)}"

    def id(self) -> str:
        return self._one(
            [self.digits(6), f"{self.letters(2)}{self.digits(4)}"],
            [
                f"{self.digits(2)}-{self.letters(2)}-{self.digits(4)}",
                self.digits(5),
                f"{self.letters(1)}{self.digits(7)}",
            ],
        )

    def bio(self) -> str:
        return f"{self.letters(2)}{self.digits(6)}"

    def photo(self) -> str:
        return self._one(
            [f"face_{self.digits(4)}.jpg"], [f"IMG-{self.digits(5)}.png", f"DSC{self.digits(4)}.JPEG"]
        )

    def age90(self) -> str:
        return str(self.rng.randint(90, 104))

    def email(self) -> str:
        first, last = self.first().lower(), self._surnames[self.rng.randrange(len(self._surnames))].lower()
        first = re.sub(r"[^a-z]", "", first) or "x"
        last = re.sub(r"[^a-z]", "", last)
        return self._one(
            [f"{first}.{last}@gmail.com", f"{first[0]}{last}@hospital.org"],
            [
                f"{last}_{first}{self.digits(2)}@yahoo.co.uk",
                f"{first}+{last}@mail.univ.edu",
                f"{last}{self.digits(3)}@health.net",
            ],
        )

    def url(self) -> str:
        return self._one(
            ["www.mychart.org/patients", f"https://clinic.example.com/p/{self.digits(5)}"],
            [
                f"http://portal.hospital.net/user?id={self.digits(4)}",
                f"facebook.com/{_syllables(self.rng).lower()}{self.digits(2)}",
                "www.ourfamilyblog.info",
            ],
        )

    def ip(self) -> str:
        return (
            ".".join(str(self.rng.randint(1, 254)) for _ in range(4))
            if self.part == "train" or self.rng.random() < 0.6
            else "2001:db8:85a3:8d3:1319:8a2e:370:7348"
        )

    # Places.

    def _city(self) -> str:
        towns = _towns(self.part)
        return (
            self.rng.choice(towns)
            if self.rng.random() < 0.85
            else f"{_syllables(self.rng)}{self.rng.choice(('ville', 'ton', 'burg', 'ford'))}"
        )

    def city(self) -> str:
        return self._city()

    def citystate(self) -> str:
        codes = "AL AZ AR CA CO CT FL GA IL IN IA KS KY MA MI MN MO NE NJ NY NC OH OK OR PA TN TX UT VA WA WI".split()
        states = ["Ohio", "Texas", "Nevada", "Vermont", "Florida", "Kentucky", "New Mexico", "North Carolina"]
        return f"{self._city()}, {self.rng.choice(codes if self.part == 'train' or self.rng.random() < 0.6 else states)}"

    def zip(self) -> str:
        return (
            self.digits(5)
            if self.part == "train" or self.rng.random() < 0.7
            else f"{self.digits(5)}-{self.digits(4)}"
        )

    def addr(self) -> str:
        rng = self.rng
        number = rng.randint(1, 19_999)
        name = rng.choice(
            ("Maple", "Oak", "Washington", "Park", "Elm", "Main", "Second")
            if self.part == "train"
            else ("Chestnut Hill", "Lincoln", "Old Mill", "43rd", "Sunset", "St. James", "Martin Luther King")
        )
        suffix = rng.choice(
            ("Street", "Avenue", "Rd.", "Drive")
            if self.part == "train"
            else ("Blvd", "Lane", "Court", "St.", "Parkway", "Way")
        )
        unit = rng.choice(
            ("", "", f", Apt {rng.randint(1, 40)}")
            if self.part == "train"
            else (
                "",
                f" Apt. {rng.randint(1, 20)}{rng.choice('ABC')}",
                f", Suite {rng.randint(100, 900)}",
                f" #{rng.randint(1, 90)}",
            )
        )
        return (
            f"P.O. Box {number}"
            if self.part == "test" and rng.random() < 0.1
            else f"{number} {name} {suffix}{unit}"
        )

    def county(self) -> str:
        return f"{self.rng.choice(_towns(self.part)).split()[0]} County"

    def roomno(self) -> str:
        return (
            f"{self.rng.randint(100, 999)}"
            if self.part == "train"
            else self.rng.choice(
                [
                    f"{self.rng.randint(1, 12)}{self.rng.choice('ABCD')}",
                    f"{self.rng.randint(200, 999)}-{self.rng.randint(1, 2)}",
                ]
            )
        )

    def hospital(self) -> str:
        rng = self.rng
        stem = rng.choice(
            [
                f"St. {rng.choice(('Mary', 'Joseph', 'Luke') if self.part == 'train' else ('Agnes', 'Vincent', 'Elizabeth'))}'s",
                self._city(),
                rng.choice(self._surnames),
                rng.choice(
                    ("Mercy", "Good Samaritan", "Sacred Heart")
                    if self.part == "train"
                    else ("Holy Cross", "Providence", "Bayview")
                ),
            ]
        )
        end = rng.choice(
            ("Hospital", "Medical Center", "Clinic", "General Hospital")
            if self.part == "train"
            else (
                "Memorial Hospital",
                "Regional Medical Center",
                "Community Hospital",
                "Family Health Center",
                "Nursing Home",
                "Rehabilitation Center",
            )
        )
        return f"{stem} {end}"

    def org(self) -> str:
        rng = self.rng
        return rng.choice(
            [
                f"{rng.choice(self._surnames)} {rng.choice(('Industries', 'Construction', 'and Sons') if self.part == 'train' else ('Logistics', 'Corporation', 'Manufacturing', 'Insurance'))}",
                rng.choice(
                    ("Walmart", "General Motors", "Home Depot", "Aetna")
                    if self.part == "train"
                    else ("Boeing", "Starbucks", "Kaiser Permanente", "Blue Cross Blue Shield", "FedEx")
                ),
            ]
        )

    def school(self) -> str:
        return f"{self._city()} {self.rng.choice(('High School', 'University') if self.part == 'train' else ('Elementary School', 'Community College', 'Middle School'))}"

    def title(self) -> str:
        return self.rng.choice(
            ("Mr.", "Mrs.", "Ms.") if self.part == "train" else ("Mr.", "Ms.", "Miss", "Mrs", "Mr")
        )

    # Chinese.

    def zname(self) -> str:
        surname = self.rng.choice(
            "王李张刘陈杨黄赵吴周"
            if self.part == "train"
            else ["徐", "孙", "马", "朱", "胡", "郭", "何", "高", "林", "欧阳", "谢", "韩", "唐", "冯", "曹"]
        )
        given = (
            "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞"
            if self.part == "train"
            else "建国志平桂花淑珍玉梅海鹏宇轩梓涵思远雪琴"
        )
        return surname + "".join(self.rng.choices(given, k=self.rng.randint(1, 2)))

    def zid(self) -> str:
        d = self._day()
        return f"{self.rng.choice(('110101', '310115', '440106', '510104'))}{d.year}{d.month:02}{d.day:02}{self.digits(3)}{self.rng.choice('0123456789X')}"

    def zphone(self) -> str:
        return self._one(
            [f"1{self.rng.choice('35789')}{self.digits(9)}"],
            [
                f"1{self.rng.choice('35789')}{self.digits(1)} {self.digits(4)} {self.digits(4)}",
                f"010-{self.rng.randint(2, 9)}{self.digits(7)}",
                f"+86 1{self.rng.choice('35789')}{self.digits(9)}",
            ],
        )

    def zmrn(self) -> str:
        return self._one([self.digits(8)], [f"ZY{self.digits(6)}", self.digits(10)])

    def zdate(self) -> str:
        d = self._day()
        return self._one(
            [f"{d.year}年{d.month}月{d.day}日", d.isoformat()],
            [f"{d.year}年{d.month:02}月{d.day:02}日", f"{d.year}.{d.month}.{d.day}", f"{d.month}月{d.day}日"],
        )

    def zaddr(self) -> str:
        return self._one(
            [f"北京市海淀区中关村大街{self.rng.randint(1, 99)}号"],
            [
                f"上海市浦东新区张江路{self.rng.randint(1, 999)}弄{self.rng.randint(1, 30)}号{self.rng.randint(101, 1802)}室",
                f"广东省广州市天河区体育西路{self.rng.randint(1, 200)}号",
                f"四川省成都市武侯区人民南路四段{self.rng.randint(1, 50)}号{self.rng.randint(1, 9)}栋{self.rng.randint(1, 3)}单元{self.rng.randint(101, 902)}",
            ],
        )

    def zhosp(self) -> str:
        return self._one(
            ["北京协和医院", "河北省人民医院"],
            ["上海瑞金医院", "四川大学华西医院", "武汉市第一医院", "浙江省立同德医院"],
        )


KINDS: dict[str, Kind] = {
    **dict.fromkeys("name NAME LASTFIRST lowername first ffirst mfirst last initials initial zname".split(), Kind.NAME),
    **dict.fromkeys("date DATE month weekday holiday nth zdate".split(), Kind.DATE),
    **dict.fromkeys("city citystate zip addr county roomno zaddr".split(), Kind.LOCATION),
    **dict.fromkeys("hospital org school zhosp".split(), Kind.ORGANISATION),
    **dict.fromkeys("phone pager ext zphone".split(), Kind.PHONE),
    "fax": Kind.FAX, "ssn": Kind.SSN, "zid": Kind.SSN, "mrn": Kind.MEDICAL_RECORD, "acc": Kind.MEDICAL_RECORD, "zmrn": Kind.MEDICAL_RECORD,
    "acct": Kind.ACCOUNT, "plan": Kind.HEALTH_PLAN, "lic": Kind.LICENCE, "dea": Kind.LICENCE, "npi": Kind.LICENCE,
    "plate": Kind.VEHICLE, "vin": Kind.VEHICLE, "device": Kind.DEVICE, "lot": Kind.DEVICE, "udi": Kind.DEVICE,
    "url": Kind.URL, "email": Kind.EMAIL, "ip": Kind.IP_ADDRESS, "bio": Kind.BIOMETRIC, "photo": Kind.PHOTOGRAPH, "id": Kind.OTHER, "age90": Kind.AGE,
}  # fmt: skip


@cache
def _towns(part: str) -> list[str]:
    own = "test" if part == "test" else "train"
    lexicon = default_lexicon()
    return [
        " ".join(w.capitalize() for w in c.split())
        for c in sorted(lexicon.cities)
        if is_of_part(c, own)
        and "'" not in c
        and not lexicon.is_taken(c)
        and not lexicon.is_word(c.split()[0])
    ]
