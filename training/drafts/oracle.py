"""Whether a draft says a finding that its evidence does not have: by means that share nothing with the check.

A list of words for each finding, and a denial where a denying word stands before it in the clause or behind
it. It is coarse on purpose: what it finds is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.language.writing.evidence import Finding, Item, Medication, Status

WORDS = {
    "pleural effusion": r"effusions?|pleural fluid",
    "pneumothorax": r"pneumothora\w+",
    "consolidation": r"consolidations?|airspace disease|infiltrates?",
    "atelectasis": r"atelecta\w+",
    "cardiomegaly": r"cardiomegaly|enlarged heart|heart (?:\w+ ){0,3}enlarged|cardiac enlargement",
    "pulmonary edema": r"edema",
    "pulmonary nodule": r"nodul\w+",
    "rib fracture": r"fractures?",
    "pneumonia": r"pneumonia",
    "hiatal hernia": r"hernia",
    "emphysema": r"emphysem\w+|copd",
    "scoliosis": r"scolio\w+",
    "pneumomediastinum": r"pneumomediastinum",
    "lymphadenopathy": r"(?:lymph)?adenopathy",
    "granuloma": r"granulom\w+",
    "subdural hematoma": r"hematoma|hemorrhage",
    "hydronephrosis": r"hydronephrosis",
    "ascites": r"ascites",
    "cholelithiasis": r"cholelithiasis|gallstones?",
    "diverticulitis": r"diverticulitis",
    "appendicitis": r"appendicitis",
    "deep vein thrombosis": r"thrombosis|dvt|embol\w+",
    "hepatomegaly": r"hepatomegaly",
    "splenomegaly": r"splenomegaly",
    "kidney stone": r"(?:kidney|renal) (?:stones?|calcul\w+)|nephrolithiasis",
    "anemia": r"an(?:a)?emia",
    "hypertension": r"hypertension",
    "asthma": r"asthma",
    "atrial fibrillation": r"fibrillation",
    "osteoarthritis": r"osteoarthritis",
    "cancer": r"cancer|carcinoma|malignan\w+|metasta\w+|tumou?r|mass(?:es)?",
}
DRUGS = re.compile(
    r"\b(metoprolol|lisinopril|atorvastatin|warfarin|metformin|amoxicillin|furosemide|prednisone|omeprazole|amlodipine|sertraline|"
    r"levothyroxine|clopidogrel|gabapentin|albuterol|aspirin|insulin|heparin|ibuprofen|morphine)\b",
    re.IGNORECASE,
)
_DENIED_BEFORE = re.compile(
    r"\b(?:no|not|without|negative for|denies|free of|absence of)\b[^.;:]*$", re.IGNORECASE
)
_DENIED_BEHIND = re.compile(
    r"^[^.;,:]{0,30}\b(?:not (?:seen|identified|present|excluded)|absent|is ruled out)\b", re.IGNORECASE
)
_SIDES = re.compile(r"\b(left|right|bilateral)\b", re.IGNORECASE)


def unsupported(sentence: str, items: Sequence[Item]) -> list[str]:
    """What the sentence says that the items do not: a finding stated or denied, a side, a number, a drug."""
    found = []
    findings = [item for item in items if isinstance(item, Finding)]
    for name, pattern in WORDS.items():
        for match in re.finditer(rf"\b(?:{pattern})\b", sentence, re.IGNORECASE):
            own = [item for item in findings if item.name == name or re.search(pattern, item.name)]
            before, behind = sentence[: match.start()], sentence[match.end() :]
            denied = _DENIED_BEFORE.search(before) is not None or (
                (end := _DENIED_BEHIND.search(behind)) is not None and "excluded" not in end.group()
            )
            denied &= "cannot" not in sentence and "not excluded" not in sentence
            if not own:
                found.append(f"finding {name}")
            elif denied != any(item.status is Status.ABSENT for item in own):
                found.append(f"polarity {name}")
    taken = {item.name.lower() for item in items if isinstance(item, Medication)}
    found += [f"drug {drug}" for drug in DRUGS.findall(sentence) if drug.lower() not in taken]
    known_numbers = set(re.findall(r"\d+(?:\.\d+)?", " ".join(map(str, items))))
    found += [f"number {n}" for n in re.findall(r"\d+(?:\.\d+)?", sentence) if n not in known_numbers]
    sides = {item.side.value for item in findings if item.side}
    found += [f"side {side}" for side in _SIDES.findall(sentence) if side.lower() not in sides]
    return found
