"""Cases with their evidence, true sentences of it in the ways of reports, and lies of seven kinds.

The wordings were written without a look at the lists that the check reads with (`services/language/writing`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.language.writing.evidence import Finding, Item, Measurement, Medication, Side, Status

LIES = ("side", "negation", "number", "drug", "diagnosis", "severity", "person or time", "certainty")
FINDINGS = (
    "pleural effusion",
    "pneumothorax",
    "consolidation",
    "atelectasis",
    "cardiomegaly",
    "pulmonary edema",
    "pulmonary nodule",
    "rib fracture",
    "pneumonia",
    "hiatal hernia",
    "emphysema",
    "scoliosis",
    "pneumomediastinum",
    "lymphadenopathy",
    "granuloma",
    "subdural hematoma",
    "hydronephrosis",
    "ascites",
    "cholelithiasis",
    "diverticulitis",
    "appendicitis",
    "deep vein thrombosis",
    "hepatomegaly",
    "splenomegaly",
    "kidney stone",
    "anemia",
    "hypertension",
    "asthma",
    "atrial fibrillation",
    "osteoarthritis",
)
SIDED = frozenset(FINDINGS[:4]) | {
    "pulmonary nodule",
    "rib fracture",
    "pneumonia",
    "subdural hematoma",
    "hydronephrosis",
    "kidney stone",
    "deep vein thrombosis",
}
MEASURED = frozenset({"pulmonary nodule", "kidney stone", "subdural hematoma"})
PLACED = {
    "pleural effusion": ("lung base",),
    "consolidation": ("upper lobe", "lower lobe"),
    "atelectasis": ("lower lobe", "lung base"),
    "pneumonia": ("upper lobe", "lower lobe"),
    "pulmonary nodule": ("upper lobe", "lower lobe"),
}
DEGREES = ("small", "moderate", "large", "mild", "severe", "minimal")
DRUGS = (
    "metoprolol",
    "lisinopril",
    "atorvastatin",
    "warfarin",
    "metformin",
    "amoxicillin",
    "furosemide",
    "prednisone",
    "omeprazole",
    "amlodipine",
    "sertraline",
    "levothyroxine",
    "clopidogrel",
    "gabapentin",
    "albuterol",
)
LABS = {
    "potassium": ("mmol/L", 2.5, 6.5),
    "hemoglobin": ("g/dL", 6, 17),
    "creatinine": ("mg/dL", 0.4, 6),
    "glucose": ("mg/dL", 50, 400),
    "sodium": ("mmol/L", 120, 155),
    "heart rate": ("bpm", 40, 150),
}

PRESENT = (
    "There is {a} {x}.",
    "{x}.",
    "{x} is seen.",
    "{x} is present.",
    "{x} is noted.",
    "The study shows {a} {x}.",
    "Findings show {a} {x}.",
    "{a} {x} is identified.",
    "There is evidence of {a} {x}.",
    "The examination demonstrates {a} {x}.",
    "{x} is demonstrated.",
    "The patient has {a} {x}.",
    "Imaging reveals {a} {x}.",
    "{a} {x} is visualized.",
    "{x} was found.",
    "{x} is observed.",
)
ABSENT = (
    "No {x}.",
    "There is no {x}.",
    "No evidence of {x}.",
    "There is no evidence of {x}.",
    "No {x} is seen.",
    "No {x} is identified.",
    "Negative for {x}.",
    "No {x} is present.",
    "{x} is not seen.",
    "Without evidence of {x}.",
    "The patient does not have {x}.",
    "There are no findings of {x}.",
    "No definite {x}.",
    "No {x} was detected.",
)
POSSIBLE = (
    "Possible {x}.",
    "{x} cannot be excluded.",
    "{x} is possible.",
    "Suspected {x}.",
    "Findings may represent {x}.",
    "Probable {x}.",
    "{x} is suspected.",
    "Findings suspicious for {x}.",
    "{x} is not excluded.",
    "Questionable {x}.",
    "There may be {a} {x}.",
)
HISTORICAL = (
    "History of {x}.",
    "The patient has a history of {x}.",
    "Past medical history of {x}.",
    "Known history of {x}.",
    "Previous {x}.",
    "Past history includes {x}.",
    "Prior {x}.",
)
WORDINGS = {
    Status.PRESENT: PRESENT,
    Status.ABSENT: ABSENT,
    Status.POSSIBLE: POSSIBLE,
    Status.HISTORICAL: HISTORICAL,
}
MEDICATIONS = (
    "The patient takes {x}.",
    "{x}.",
    "Medication: {x}.",
    "The patient is taking {x}.",
    "{x} is prescribed.",
    "Current medications: {x}.",
    "The patient receives {x}.",
    "Medications include {x}.",
)
MEASUREMENTS = (
    "{n} is {v}.",
    "{n} {v}.",
    "{n} was {v}.",
    "{n}: {v}.",
    "{n} measures {v}.",
    "The {n} level is {v}.",
    "{n} of {v}.",
    "{n} was measured at {v}.",
)


@dataclass(frozen=True)
class Case:
    """The evidence of one report."""

    items: tuple[Item, ...]


def case(rng: random.Random) -> Case:
    """A case of three to nine items, no finding twice."""
    names = rng.sample(FINDINGS, rng.randint(2, 6))
    items: list[Item] = [_finding(rng, name) for name in names]
    items += [Medication(name, _dose(rng)) for name in rng.sample(DRUGS, rng.randint(0, 2))]
    items += [_lab(rng, name) for name in rng.sample(sorted(LABS), rng.randint(1, 2))]
    rng.shuffle(items)
    return Case(tuple(items))


def true_sentence(item: Item, rng: random.Random) -> str:
    """The item said in full, in one of many ways."""
    match item:
        case Finding():
            return _said(rng.choice(WORDINGS[item.status]), phrase(item, rng))
        case Medication():
            return _said(rng.choice(MEDICATIONS), f"{item.name} {item.dose}")
        case Measurement():
            said = rng.choice(MEASUREMENTS).format(n=item.name, v=item.value)
            return said[:1].upper() + said[1:]
        case _:
            raise TypeError(type(item).__name__)


def lie(own: Case, rng: random.Random) -> tuple[str, str] | None:
    """A kind of lie and its sentence, in the same wordings; None where the case has nothing for that kind."""
    kind = rng.choice(LIES)
    findings = [item for item in own.items if isinstance(item, Finding)]
    drugs = [item for item in own.items if isinstance(item, Medication)]
    item = rng.choice(own.items)
    if kind == "side":
        sided = [one for one in findings if one.side in {Side.LEFT, Side.RIGHT}]
        if not sided:
            return None
        one = rng.choice(sided)
        other = Side.RIGHT if one.side is Side.LEFT else Side.LEFT
        return kind, true_sentence(replace(one, side=other), rng)
    if kind == "negation":
        one = rng.choice(findings)
        if one.status is Status.ABSENT:
            return kind, true_sentence(replace(one, status=Status.PRESENT), rng)
        return kind, true_sentence(Finding(one.name, Status.ABSENT), rng)
    if kind == "number":
        return _wrong_number(item, rng)
    if kind == "drug":
        taken = {one.name for one in drugs}
        other_name = rng.choice([name for name in DRUGS if name not in taken])
        return kind, true_sentence(Medication(other_name, _dose(rng)), rng)
    if kind == "diagnosis":
        known = {one.name for one in findings}
        name = rng.choice([name for name in FINDINGS if name not in known])
        return kind, true_sentence(replace(_finding(rng, name), status=Status.PRESENT), rng)
    if kind == "severity":
        graded = [one for one in findings if one.severity]
        if not graded:
            return None
        one = rng.choice(graded)
        far = "large" if one.severity in {"small", "mild", "minimal", "moderate"} else "minimal"
        return kind, true_sentence(replace(one, severity=far), rng)
    if kind == "person or time":
        present = [one for one in findings if one.status is Status.PRESENT]
        if not present:
            return None
        name = rng.choice(present).name
        wordings = (
            "History of {x}.",
            "The patient's mother has {x}.",
            "Family history of {x}.",
            "The father had {x}.",
            "Prior {x}.",
        )
        return kind, _said(rng.choice(wordings), name)
    unsure = [one for one in findings if one.status in {Status.POSSIBLE, Status.PRESENT}]
    if not unsure:
        return None
    one = rng.choice(unsure)
    other_status = Status.PRESENT if one.status is Status.POSSIBLE else Status.POSSIBLE
    return kind, true_sentence(replace(one, status=other_status), rng)


def phrase(item: Finding, rng: random.Random) -> str:
    """The finding with all that is known of it, in one of two orders."""
    side = item.side.value if item.side else ""
    if item.region and rng.random() < 0.5:
        place = f"in the {side} {item.region}" if side else f"in the {item.region}"
        words = [item.severity, item.name, place]
    else:
        words = [item.severity, side, item.region, item.name]
    said = " ".join(filter(None, words))
    if item.extent:
        said += rng.choice((f" measuring {item.extent}", f", {item.extent}", f" of {item.extent}"))
    return said


def _said(wording: str, phrase_: str) -> str:
    article = "an" if phrase_[:1] in "aeiou" else "a"
    text = " ".join(wording.format(x=phrase_, a=article).split())
    return text[:1].upper() + text[1:]


def _finding(rng: random.Random, name: str) -> Finding:
    status = rng.choices(tuple(Status), (5, 4, 2, 1))[0]
    if status in {Status.ABSENT, Status.HISTORICAL}:
        return Finding(name, status)
    return Finding(
        name,
        status,
        side=rng.choice((Side.LEFT, Side.RIGHT)) if name in SIDED else None,
        severity=rng.choice(DEGREES) if rng.random() < 0.4 and name not in MEASURED else "",
        region=rng.choice(PLACED[name]) if name in PLACED and rng.random() < 0.6 else "",
        extent=f"{rng.randint(3, 30)} mm" if name in MEASURED else "",
    )


def _dose(rng: random.Random) -> str:
    amount = rng.choice((5, 10, 20, 25, 40, 50, 100, 250, 500))
    return f"{amount} mg {rng.choice(('daily', 'twice daily', 'at night'))}"


def _lab(rng: random.Random, name: str) -> Measurement:
    unit, low, high = LABS[name]
    value = rng.uniform(low, high)
    return Measurement(name, f"{value:.0f} {unit}" if high > 30 else f"{value:.1f} {unit}")


def _wrong_number(item: Item, rng: random.Random) -> tuple[str, str] | None:
    factor = rng.choice((0.5, 2, 10))
    match item:
        case Measurement():
            value, unit = item.value.split(" ", 1)
            return "number", true_sentence(replace(item, value=f"{float(value) * factor:.10g} {unit}"), rng)
        case Medication():
            value, rest = item.dose.split(" ", 1)
            return "number", true_sentence(replace(item, dose=f"{float(value) * factor:.10g} {rest}"), rng)
        case Finding() if item.extent:
            value, unit = item.extent.split(" ", 1)
            return "number", true_sentence(replace(item, extent=f"{float(value) * factor:.10g} {unit}"), rng)
        case _:
            return None


def sentences_of(own: Case, rng: random.Random, every: int = 5) -> Sequence[tuple[str, str]]:
    """What a stand-in writes that lies in every fifth sentence: kind (empty: true) and sentence."""
    told: list[tuple[str, str]] = []
    for item in own.items:
        if len(told) % every == every - 1 and (made := lie(own, rng)) is not None:
            told.append(made)
        told.append(("", true_sentence(item, rng)))
    while len(told) < every:
        if (made := lie(own, rng)) is not None:
            told.append(made)
    return told
