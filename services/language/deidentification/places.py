"""Places smaller than a state, and organisations: by what they end in, what stands before them, and the list of cities."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.language.deidentification.identifiers import Found, Kind, Origin
from services.language.deidentification.lexicon import Lexicon, folded, words_of

_WORD = r"(?:[A-ZÀ-Þ][a-zß-ÿ]+(?:[-'’][A-Za-zß-ÿ]+)*|[A-Z]{2,}|(?:St|Mt|Ft|Pt)\.)"
_STREET = (
    r"(?:Street|Str|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Court|Ct|Place|Pl|Terrace|Ter|Circle|Cir|Highway|Hwy|Parkway|Pkwy"
    r"|Trail|Trl|Square|Sq|Loop|Route|Rte|Alley|Crescent|Way|Plaza|Turnpike|Tpke|Pike|Row|Run|Path|Heights|Hts|Close|Mews|Gardens|Grove|Crossing|Freeway)"
)
_STREET_ALONE = r"(?:Street|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Parkway|Highway|Hwy|Terrace)"
_UNIT = r"(?:\s*,?\s*(?:Apt|Apartment|Suite|Ste|Unit|Bldg|Building|Floor|Fl|Room|Rm|Lot|Trailer|#)\.?\s*(?:No\.?\s*|#\s*)?[A-Z]?-?\d{0,5}[A-Z]?\b)"
_STATE_CODES = (
    r"(?:A[LKZR]|C[AOT]|D[EC]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[TA]|W[AVIY]|PR"
    r"|Ala\.|Ariz\.|Ark\.|Calif\.|Colo\.|Conn\.|Fla\.|Ga\.|Ill\.|Ind\.|Mass\.|Mich\.|Minn\.|Miss\.|Mo\.|Mont\.|Neb\.|Nev\.|Okla\.|Ore\.|Pa\.|Tenn\.|Tex\.|Va\.|Vt\.|Wash\.|Wis\.)"
)
_ZIP = r"\d{5}(?:-\d{4})?"

_ADDRESS = re.compile(
    rf"(?<![\w-])(?<!\d\.)\d{{1,6}}(?:-\d{{1,5}}|[A-Z]|\s1/2)?\s+(?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West)\.?\s+)?(?:{_WORD}|\d{{1,3}}(?:st|nd|rd|th))(?:\s+{_WORD}){{0,3}}?\s+{_STREET}\b\.?(?:\s+(?:N|S|E|W|NE|NW|SE|SW)\b\.?)?{_UNIT}?",
)
_ADDRESS_LOWER = re.compile(
    r"(?<![\w-])(?<!\d\.)\d{1,6}\s+(?:[a-z]+\s+){1,3}(?:street|avenue|ave|road|boulevard|blvd|lane|drive|court|terrace|parkway|highway)\b(?:\s*,?\s*(?:apt|apartment|unit|suite)\.?\s*#?\s*\w{1,5})?"
)
_ADDRESS_RARE = re.compile(
    rf"(?<![\w-])(?<!\d\.)\d{{2,6}}[A-Z]?\s+(?:{_WORD}\s+){{1,3}}(?:Annex|Bend|Bluffs?|Branch|Bridge|Brooks?|Bypass|Camp|Canyon|Cape|Causeway|Cliffs?|Common|Corners?|Course|Coves?|Creek|Crest|Curve|Dale|Estates?|Expressway|Extension|Falls|Ferry|Fields?|Flats?|Forest|Forges?|Forks?|Fort|Freeway|Garden|Gateway|Glens?|Greens?|Groves|Harbors?|Haven|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|Knolls?|Lakes?|Landing|Locks?|Lodge|Mall|Manors?|Meadows?|Mills?|Mission|Motorway|Mount|Mountains?|Oval|Park|Parks|Parkways|Pass|Passage|Pine|Pines|Plains?|Plazas|Points?|Ports?|Prairie|Ranch|Rapids?|Rest|Ridges?|River|Roads|Shoals?|Shores?|Springs?|Spurs?|Squares|Station|Stream|Summit|Trace|Track|Unions?|Valleys?|Via|Viaduct|Views?|Villages?|Vista|Walks?|Wall|Wells?)\b{_UNIT}?"
)
_ADDRESSED = re.compile(
    r"\b(?:(?i:lives?|lived|living|resid(?:es?|ed|ing)|stay(?:s|ing))\s+at\s+|(?i:address)(?:\s+is)?\s*:?\s+)(?P<place>(?=[^\n;]{0,60}\d)[A-Z0-9#][^\n;.]{3,110})"
)
_BOX = re.compile(
    r"\b(?:P\.?\s?O\.?\s*|Post\s+Office\s+)Box\s*#?\s*\d{1,7}\b|\bR\.?R\.?\s*#?\s*\d+\s*,?\s*Box\s*\d+",
    re.IGNORECASE,
)
_NAMED_STREET = re.compile(
    rf"(?<![\w-])(?<!\d\.)(?:(?:{_WORD}|\d{{1,3}}(?:st|nd|rd|th))\s+){{1,3}}{_STREET_ALONE}\b(?!\s+(?:Hospital|Clinic|Test))"
)
_HIGHWAY = re.compile(
    r"\b(?:Interstate|I-|Route|Rt\.?|Rte\.?|Highway|Hwy\.?|US-|State\s+Road|County\s+Road|FM)\s?\d{1,4}[A-Z]?\b"
)
_APARTMENT = re.compile(
    r"(?<!operative )(?<!operating )(?<!surgical )(?<!endoscopy )(?<!procedure )\b(?:Apt|Apartment|Ste|Suite|Bldg|Building|Trailer|Lot)\b\.?\s*(?:No\.?\s*|#\s*)?"
    r"(?:[A-Z]?-?\d{1,5}[A-Z]?|(?-i:[A-Z]))\b",
    re.IGNORECASE,
)
_ROOM = re.compile(
    r"(?<!operating )(?<!procedure )\b(?:(?:hospital\s+|exam(?:ination)?\s+|patient\s+)?room|rm|bed|ward|bay|cubicle|pod)\.?\s*(?:number\s*|no\.?\s*|#\s*)?:?\s*(?=[\w-]{0,6}\d)[A-Z]{0,3}-?\d{1,5}-?[A-Z]?\d?\b(?!\s*(?:%|L\b|liters?|days?|weeks?|hours?|x\b|times))|\b(?i:ward|unit|bed|bay)\s+(?:[A-Z]?\d{1,4}[A-Z]|[A-Z]{1,2}-?\d{1,4})\b",
    re.IGNORECASE,
)
_STATES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky"
    "|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico"
    "|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah"
    "|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming|Puerto Rico|Ontario|Quebec|British Columbia|Alberta|Mexico|Canada|England|Scotland"
    "|India|China|Vietnam|Philippines|Germany|France|Italy|Spain|Japan|Korea|Brazil|Nigeria|Kenya|Ireland|Poland|Russia|Ukraine|Cuba|Colombia|Peru"
)
_CITY_STATE = re.compile(
    rf"(?<![\w-])(?<!\d\.)(?P<city>{_WORD}(?:[ -]{_WORD}){{0,2}})\s*,\s*(?P<state>{_STATE_CODES}|{_STATES})(?![\w])(?:,?\s+{_ZIP})?"
)
_STATE_ZIP = re.compile(rf"\b(?:[A-Z][a-z]+\s+)?{_STATE_CODES}\.?,?\s+{_ZIP}\b")
_ZIP_CODE = re.compile(
    rf"\b(?:zip(?:\s*code)?|postal\s+code|postcode)(?:\s*(?:is|of|:|#))*\s*({_ZIP}|[A-Z]{{1,2}}\d[A-Z\d]?\s?\d[A-Z]{{2}}|[A-Z]\d[A-Z]\s?\d[A-Z]\d)\b",
    re.IGNORECASE,
)
_POSTCODE = re.compile(
    r"(?<![\w-])(?:[ABCEGHJ-NPRSTVXY]\d[A-Z]\s\d[A-Z]\d|(?:[A-Z]{1,2}\d{1,2}[A-Z]?)\s\d[ABD-HJLNP-UW-Z]{2})(?![\w-])"
)
_ZIP_PLUS = re.compile(r"(?<![\w-])(?<!\d\.)\d{5}-\d{4}(?![\w-])")
_COUNTY = re.compile(
    rf"(?<![\w])(?:{_WORD}\s+){{1,2}}(?:County|Parish|Township|Borough)\b|\b(?:County|City|Town|Township|Village|Borough|Municipality|District)\s+of\s+{_WORD}(?:\s+{_WORD})?"
)
_LIVES = re.compile(
    r"\b(?:[Ll]iv(?:es|ed|ing)\s+(?:alone\s+)?(?:in|at|near|outside(?:\s+of)?|on)|[Rr]esid(?:es|ed|ing|ent)\s+(?:in|at|of|near)|(?:[Mm]oved|[Rr]elocated|[Tt]ravel(?:s|l?ed|l?ing)?|[Dd]riv(?:es|en|ing)|[Dd]rove|[Ff]lew|[Cc]omes|[Cc]ame|[Tt]rip|[Vv]acation(?:ing)?|[Tt]ransferred)\s+(?:here\s+|up\s+|back\s+)?(?:to|from|in|out\s+of)"
    r"|[Bb]orn(?:\s+and\s+raised)?\s+in|[Rr]aised\s+in|[Gg]rew\s+up\s+in|[Nn]ative\s+of|[Vv]isit(?:s|ed|ing)\s+(?:family\s+in|relatives\s+in)|[Hh]ome\s+in|[Hh]ometown(?:\s+is|:)|[Ww]orks?\s+in|[Ff]amily\s+in|[Ff]riends\s+in|[Ss]ister\s+in|[Ss]on\s+in|[Dd]aughter\s+in|[Bb]rother\s+in|[Oo]riginally\s+from|[Bb]irthplace:|[Cc]ity:|[Tt]own:|[Rr]esidence:|[Aa]ddress:)\s+(?:the\s+(?:city|town|village)\s+of\s+)?"
    rf"(?P<place>{_WORD}(?:[ -](?:{_WORD}|de|la|del|of|the|upon)){{0,3}})"
)
_PREPOSITION = re.compile(
    rf"\b(?:in|from|to|at|near|outside|of|around|toward|for|between|and|visit(?:s|ed|ing)?|leaving)\s+(?P<place>{_WORD}(?:[ -]{_WORD}){{0,2}})"
)

_COMPOUND_TOWN = re.compile(
    r"\b(?:in|from|to|at|near|of|visit(?:s|ed|ing)?)\s+(?P<place>(?:New|West|East|North|South|Port|Lake|San|Santa|Los|Las|El|Fort|Mount|Saint|St\.)\s+(?P<own>[A-Z][a-zß-ÿ]+)(?:\s(?:de|los|la|del|el|las)(?:\s(?:la|los|las))?\s\w+){0,1})"
)
_TOWN = re.compile(
    r"[a-z](?:ville|ton|burg|burgh|ford|field|wood|port|dale|mont|shire|bury|boro|borough|haven|stead|ham|stad|grad|polis|city)$"
)

_ORGANISATION_END = (
    r"(?:Hospitals?|Clinics?|Medical\s+Cent(?:er|re)|Health(?:care|\s+Care|\s+System|\s+Cent(?:er|re)|\s+Services|\s+Network|\s+Department|\s+Partners)?|Medical\s+(?:Group|Associates|Plaza|Arts|Clinic|School|College|Foundation|Partners)"
    r"|Cent(?:er|re)|Institute|Universit(?:y|ies)|College|School|Academy|Nursing\s+(?:Home|Facility|Cent(?:er|re))|Hospice|Rehab(?:ilitation)?(?:\s+(?:Cent(?:er|re)|Hospital|Facility|Institute))?|Pharmacy|Drugs?tore|Laborator(?:y|ies)|Labs|Associates|Group|Foundation"
    r"|Church|Manor|Villa(?:ge)?|Assisted\s+Living|Living\s+Cent(?:er|re)|Retirement\s+(?:Home|Community|Village)|Care\s+(?:Home|Cent(?:er|re)|Facility)|Inc\b\.?|LLC|LLP|P\.?C\.|Corp(?:oration)?|Company|Co\.|Ltd\b\.?|Industries|Enterprises|Bank|Insurance|Elementary(?:\s+School)?|Middle\s+School|High\s+School|Preschool|Daycare|Kindergarten|Infirmary|Sanatorium|Sanitarium|Shelter|Jail|Prison|Penitentiary|Correctional\s+(?:Facility|Institution|Cent(?:er|re))|Fire\s+Department|Police\s+Department|Department\s+Store|Airlines?|Airport|Motors|Foods|Market|Supermarket|Restaurant|Hotel|Inn|Physicians|Specialists|Orthop(?:a?e)dics|Cardiology|Radiology|Imaging|Diagnostics|Surgical\s+(?:Cent(?:er|re)|Associates|Group)|Surgery\s+Cent(?:er|re)|Cancer\s+Cent(?:er|re)|Heart\s+(?:Cent(?:er|re)|Institute)|Pediatrics|(?:and|&)\s+(?:Sons|Company|Associates|Co\b)|Construction|Logistics|Manufacturing|Electric|Family\s+(?:Practice|Medicine|Physicians|Health)|Dialysis(?:\s+Cent(?:er|re))?|Urgent\s+Care|Ambulance|EMS|Memorial|General|Presbyterian|Methodist|Episcopal|Baptist\s+(?:Hospital|Health)|Children['’]s(?:\s+Hospital)?|Hills?\s+Hospital)"
)
_ORGANISATION = re.compile(
    rf"(?<![\w-])(?<!\d\.)(?:(?:The\s+)?{_WORD}(?:['’]s?)?(?:[ \t]+|[ \t]?-[ \t]?|[ \t]&[ \t])(?:(?:{_WORD}(?:['’]s?)?|of|and|the|for|&)[ \t]+){{0,5}}?){_ORGANISATION_END}(?![\w])(?:[ \t]+(?:of|at)[ \t]+(?:the[ \t]+)?{_WORD}(?:[ \t]+{_WORD}){{0,2}})?(?:[ \t]+(?:and[ \t]+)?{_ORGANISATION_END}(?![\w]))*"
)
_UNIVERSITY_OF = re.compile(
    rf"(?<![\w])(?:University|College|Hospital|Institute|School|Church|Academy|Bank|Children['’]s\s+Hospital|Medical\s+Cent(?:er|re)|Shrine|Sisters|Daughters|Order|Sons|Veterans)\s+(?:Hospital\s+)?(?:of|at|for)\s+(?:the\s+)?{_WORD}(?:[ -]{_WORD}){{0,2}}(?:\s+(?:at|in|of)\s+{_WORD}(?:\s{_WORD})?)?(?:\s+(?:and\s+)?{_ORGANISATION_END}(?![\w]))*"
)
_WORKS = re.compile(
    rf"\b(?:[Ww]ork(?:s|ed|ing)?|[Ee]mployed|[Jj]ob|[Ee]mployment|[Rr]etired)\s+(?:at|for|by|with|from)\s+(?:the\s+)?(?P<place>{_WORD}(?:[ -](?:&\s)?{_WORD}){{0,3}})|\b(?:[Ee]mployer|EMPLOYER|[Ff]acility|FACILITY|[Pp]harmacy|[Hh]ospital|HOSPITAL|[Cc]linic|[Ii]nsurance|[Ss]chool|[Ii]nstitution|[Oo]rganization)\s*:\s*(?P<place2>{_WORD}(?:[ -](?:&\s)?{_WORD}){{0,4}})"
)
_FAMOUS = re.compile(
    r"(?<![\w])(?:Mass(?:achusetts)?\.?\s+General|MGH|BWH|BIDMC|UCSF|UCLA|UCSD|NYU|UPMC|USC|OHSU|MUSC|UAB|UNC|VCU|MSKCC|CHOP|Mayo\s+Clinic|Cleveland\s+Clinic|Johns\s+Hopkins|Brigham\s+(?:and|&)\s+Women['’]s|Beth\s+Israel|Mount\s+Sinai|Mt\.?\s+Sinai|Cedars-?\s?Sinai|Kaiser(?:\s+Permanente)?|MD\s+Anderson|M\.?D\.?\s+Anderson|Sloan[- ]Kettering|Dana[- ]Farber|Walter\s+Reed|Scripps|Sutter(?:\s+Health)?|Geisinger|Intermountain|Banner(?:\s+Health)?|Ascension|Quest\s+Diagnostics|LabCorp|Walgreens|CVS|Rite\s+Aid|Walmart|Wal-Mart|Costco|Safeway|Kroger|Target|Home\s+Depot|Starbucks|McDonald['’]s|Amazon|Google|Microsoft|IBM|Boeing|FedEx|UPS|Aetna|Cigna|Humana|Anthem|UnitedHealthcare|United\s+Healthcare|Blue\s+Cross(?:\s+(?:and\s+)?Blue\s+Shield)?|BCBS|Alcoholics\s+Anonymous\s+of\s+\w+|Stanford|Harvard|Yale|Princeton|Columbia\s+Presbyterian|Duke\s+University|Emory|Vanderbilt|Northwestern\s+(?:Memorial|University)|Rush\s+University|Barnes-Jewish)(?![\w])"
)
_CREDENTIALS_TOO = frozenset({"MD", "PA", "MA", "MS", "ME", "OR", "IN", "LA", "ID", "AL", "DE", "OK", "HI"})
"""Codes of states that follow a name or a word as often."""
_GENERIC = frozenset(words_of("common_places.txt"))
"""Words that name no one organisation."""


class PlaceFinder:
    """Finds places and organisations in a text."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    def find(self, text: str) -> Iterator[Found]:
        """Places and organisations, in no order; they may overlap."""
        for pattern, confidence in (
            (_ADDRESS, 0.95), (_ADDRESS_LOWER, 0.85), (_BOX, 0.97), (_APARTMENT, 0.85), (_ROOM, 0.8), (_POSTCODE, 0.85), (_STATE_ZIP, 0.95),
            (_ZIP_PLUS, 0.8), (_HIGHWAY, 0.75),
        ):  # fmt: skip
            for match in pattern.finditer(text):
                yield Found(*match.span(), Kind.LOCATION, confidence)
        for match in _ADDRESS_RARE.finditer(text):
            yield Found(*match.span(), Kind.LOCATION, 0.8)
        for match in _ADDRESSED.finditer(text):
            yield Found(*match.span("place"), Kind.LOCATION, 0.85)
        for match in _ZIP_CODE.finditer(text):
            yield Found(*match.span(1), Kind.LOCATION, 0.95)
        yield from self._streets(text)
        yield from self._cities(text)
        yield from self._organisations(text)

    def _streets(self, text: str) -> Iterator[Found]:
        for match in _NAMED_STREET.finditer(text):
            if (
                not all(self._is_taken(word) for word in match.group().split()[:-1])
                or match.group()[0].isdigit()
            ):
                yield Found(*match.span(), Kind.LOCATION, 0.8)
        for match in _COUNTY.finditer(text):
            if not all(self._is_taken(word) for word in _own_words(match.group())):
                yield Found(*match.span(), Kind.LOCATION, 0.85)

    def _cities(self, text: str) -> Iterator[Found]:
        for match in _CITY_STATE.finditer(text):
            state = match["state"]
            has_zip = match.end() > match.end("state")
            is_place = (
                has_zip or self._is_city(match["city"]) or not self._is_taken(match["city"].split()[-1])
            )
            if match["city"].isupper() and len(match["city"]) < 4:
                continue  # "NT, ND": not tender, not distended
            if is_place and (has_zip or self._is_city(match["city"]) or state not in _CREDENTIALS_TOO):
                yield Found(*match.span(), Kind.LOCATION, 0.92)
        for match in _LIVES.finditer(text):
            place = match["place"]
            words = place.split()
            while words and (
                (self._is_taken(words[-1]) and not self._is_city(" ".join(words))) or words[-1].islower()
            ):
                words.pop()
            place = place[: len(" ".join(words))]
            if (
                words
                and folded(place) not in self._lexicon.states
                and (not self._is_taken(words[0]) or self._is_city(place))
            ):
                yield Found(match.start("place"), match.start("place") + len(place), Kind.LOCATION, 0.85)
        for match in _PREPOSITION.finditer(text):
            words = re.split(r"[ -]", match["place"])
            for count in range(len(words), 0, -1):
                place = match["place"][: sum(len(word) for word in words[:count]) + count - 1]
                is_free = count > 1 or not self._lexicon.is_word(place)
                is_town = count == 1 and bool(_TOWN.search(place)) and not self._lexicon.is_name(place)
                if is_free and not place.isupper() and (self._is_city(place) or is_town):
                    start = match.start("place")
                    yield Found(start, start + len(place), Kind.LOCATION, 0.7, Origin.LIST)
                    break

        for match in _COMPOUND_TOWN.finditer(text):
            if not self._is_taken(match["own"]) and folded(match["place"]) not in self._lexicon.states:
                yield Found(*match.span("place"), Kind.LOCATION, 0.7)

    def _organisations(self, text: str) -> Iterator[Found]:
        for match in _ORGANISATION.finditer(text):
            start = self._without_generic_head(match.group()) + match.start()
            own = [word for word in _own_words(text[start : match.end()]) if folded(word) not in _GENERIC]
            if any(folded(word) not in self._lexicon.plain for word in own):
                yield Found(start, match.end(), Kind.ORGANISATION, 0.85)
        for pattern in (_UNIVERSITY_OF, _FAMOUS):
            for match in pattern.finditer(text):
                yield Found(*match.span(), Kind.ORGANISATION, 0.85)
        for match in _WORKS.finditer(text):
            name = "place" if match["place"] else "place2"
            words = [word for word in _own_words(match[name]) if folded(word) not in _GENERIC]
            if words and not all(self._is_taken(word) for word in words):
                yield Found(match.start(name), match.end(name), Kind.ORGANISATION, 0.75)

    def _without_generic_head(self, name: str) -> int:
        """How many characters of the name's head are words before it ("The", "Dr. X to ABC Hospital")."""
        cut = 0
        for word in re.finditer(r"(?:\S+)\s+", name):
            if word.start() != cut or folded(word.group().strip()) not in {
                "the",
                "at",
                "to",
                "from",
                "in",
                "a",
                "our",
                "see",
                "admitted",
                "transferred",
            }:
                break
            cut = word.end()
        return cut

    def _is_city(self, place: str) -> bool:
        return (
            folded(place).replace("st. ", "saint ").replace("mt. ", "mount ") in self._lexicon.cities
            or folded(place) in self._lexicon.cities
        )

    def _is_taken(self, word: str) -> bool:
        return self._lexicon.is_taken(word.strip(".,'’"))


def _own_words(name: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", name) if word[0].isupper()]
