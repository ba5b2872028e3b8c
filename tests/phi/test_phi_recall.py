"""How much a scan finds, and how much it suspects wrongly: Synthea's tables, with the truth.

Columns are those of Synthea's CSV export (https://github.com/synthetichealth/synthea/wiki), values
are of their shape and nobody's. ``hide``: 45 CFR 164.514(b)(2) names it, or it may hold what is
named there. docs/labelling.md quotes the shares.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from hoopgate.events import ColumnRef
from hoopgate.phi.detectors.columns import Column, Family, Relation, Sample
from hoopgate.phi.detectors.proposals import propose
from hoopgate.settings.model import LabelClass

TEXT, INTEGER, NUMBER = Family.TEXT, Family.INTEGER, Family.NUMBER
DATE, STAMP, OTHER = Family.DATE, Family.TIMESTAMP, Family.OTHER
Made = Callable[[int], object]

GIVEN = ("Ada", "Jose", "Malka", "Reyes", "Shirleen", "Carlo", "Wendie", "Mohammed")
FAMILY = ("Okuneva", "Rau", "Gleichner", "Halvorson", "Dach", "Tromp", "Nienow", "Auer")
TOWNS = ("Boston", "Worcester", "Lowell", "Fall River", "New Bedford", "Hull", "Otis", "Ware")


def pick(*values: str) -> Made:
    return lambda row: values[row % len(values)]


def key(row: int) -> str:
    return str(uuid.UUID(int=row * 2**96 + 7))


def town(row: int) -> str:
    return TOWNS[row % 8]


def day(row: int) -> str:
    return f"{1935 + row % 80}-{row % 12 + 1:02}-{row % 28 + 1:02}"


def stamp(row: int) -> str:
    return f"{day(row)} {row % 24:02}:15:08+00"


def money(row: int) -> str:
    return f"{row * 7919 % 100_000 / 100}"


def street(row: int) -> str:
    kinds = ("Street", "Lane", "Road", "Avenue")
    return f"{100 + row * 7} {FAMILY[row % 8]} {kinds[row % 4]}{' Suite 12' if row % 3 else ''}"


def code(row: int) -> str:
    return str(185_345_009 + row % 11)


DRUG = pick("lisinopril 10 MG Oral Tablet", "24 HR Metformin 500 MG Extended Release Oral Tablet")
FINDING = pick("Essential hypertension (disorder)", "Acute viral pharyngitis (disorder)")
REASON = (("reasoncode", TEXT, code), ("reasondescription", TEXT, FINDING))
CODED = (("code", TEXT, code), ("description", TEXT, FINDING))
PERSON = (("patient", OTHER, key), ("encounter", OTHER, key))
PLACE = (
    *(("address", TEXT, street), ("city", TEXT, town)),
    ("zip", TEXT, lambda row: f"{1000 + row * 7:05}"),
    ("lat", NUMBER, lambda row: f"{42 + row / 977:.6f}"),
    ("lon", NUMBER, lambda row: f"{-71 - row / 977:.6f}"),
)

#: relation → what is to be hidden, what is not.
TABLES: dict[str, tuple[tuple[tuple[str, Family, Made], ...], ...]] = {
    "patients": (
        (
            ("birthdate", DATE, day),
            ("deathdate", DATE, day),
            ("ssn", TEXT, lambda row: f"999-{row % 89 + 10}-{row * 37 % 9000 + 1000}"),
            ("drivers", TEXT, lambda row: f"S999{row * 37 % 90000 + 10000}"),
            ("passport", TEXT, lambda row: f"X{row * 7919 % 90_000_000 + 10_000_000}X"),
            ("first", TEXT, lambda row: f"{GIVEN[row % 8]}{row}"),
            ("middle", TEXT, lambda row: f"{GIVEN[row * 3 % 8]}{row}"),
            ("last", TEXT, lambda row: f"{FAMILY[row % 8]}{row}"),
            ("maiden", TEXT, lambda row: f"{FAMILY[row * 5 % 8]}{row}"),
            ("birthplace", TEXT, lambda row: f"{TOWNS[row % 8]}  Massachusetts  US"),
            ("county", TEXT, lambda row: f"{TOWNS[row % 8]} County"),
            ("fips", TEXT, lambda row: f"25{row % 14 * 2 + 1:03}"),
            *PLACE,
        ),
        (
            *(("prefix", TEXT, pick("Mr.", "Mrs.", "Ms.")), ("suffix", TEXT, pick("PhD", "MD"))),
            *(("marital", TEXT, pick("M", "S", "D")), ("race", TEXT, pick("white", "black"))),
            ("ethnicity", TEXT, pick("hispanic", "nonhispanic")),
            *(("gender", TEXT, pick("M", "F")), ("state", TEXT, pick("Massachusetts"))),
            *(("healthcare_expenses", NUMBER, money), ("healthcare_coverage", NUMBER, money)),
            ("income", INTEGER, lambda row: row * 997),
        ),
    ),
    "encounters": (
        (("start", STAMP, stamp), ("stop", STAMP, stamp)),
        (
            ("encounterclass", TEXT, pick("ambulatory", "emergency", "inpatient", "wellness")),
            *CODED,
            *(("base_encounter_cost", NUMBER, money), ("total_claim_cost", NUMBER, money)),
            ("payer_coverage", NUMBER, money),
            *REASON,
        ),
    ),
    "conditions": ((("start", DATE, day), ("stop", DATE, day)), CODED),
    "observations": (
        (("date", STAMP, stamp),),
        (
            ("category", TEXT, pick("vital-signs", "laboratory", "survey")),
            *CODED,
            ("value", TEXT, lambda row: f"{row % 70 + 60}.{row % 10}"),
            *(("units", TEXT, pick("mm[Hg]", "/min", "%")), ("type", TEXT, pick("numeric"))),
        ),
    ),
    "medications": (
        (("start", STAMP, stamp), ("stop", STAMP, stamp)),
        (
            *(("code", TEXT, code), ("description", TEXT, DRUG), ("base_cost", NUMBER, money)),
            ("dispenses", INTEGER, lambda row: row % 9),
            ("totalcost", NUMBER, money),
            *REASON,
        ),
    ),
    "imaging_studies": (
        (("date", STAMP, stamp),),
        (
            ("bodysite_code", TEXT, code),
            ("bodysite_description", TEXT, pick("Knee", "Chest", "Thoracic structure")),
            ("modality_code", TEXT, pick("DX", "CT", "MR")),
            ("modality_description", TEXT, pick("Digital Radiography", "Ultrasound")),
        ),
    ),
    "devices": (
        (
            *(("start", STAMP, stamp), ("stop", STAMP, stamp)),
            ("udi", TEXT, lambda row: f"(01){row * 7919 + 10**13}(11)110529(17)360613(21){row}AB"),
        ),
        CODED,
    ),
    "providers": (
        (
            ("name", TEXT, lambda row: f"{GIVEN[row % 8]}{row} {FAMILY[row * 3 % 8]}{row}"),
            *PLACE,
        ),
        (
            ("speciality", TEXT, pick("GENERAL PRACTICE", "CARDIOLOGY", "ONCOLOGY")),
            *(("gender", TEXT, pick("M", "F")), ("encounters", INTEGER, lambda row: row % 900)),
        ),
    ),
    "organizations": (
        (("phone", TEXT, lambda row: f"617-555-{row + 1000}"), *PLACE),
        (("revenue", NUMBER, money), ("utilization", INTEGER, lambda row: row * 13)),
    ),
    "claims": (
        (("servicedate", STAMP, stamp), ("lastbilleddate1", STAMP, stamp)),
        (
            *(("status1", TEXT, pick("CLOSED", "BILLED")), ("outstanding1", NUMBER, money)),
            ("healthcareclaimtypeid1", INTEGER, lambda row: row % 3),
            *(("diagnosis1", TEXT, code), ("departmentid", INTEGER, lambda row: row % 29)),
        ),
    ),
    "careplans": ((("start", DATE, day), ("stop", DATE, day)), (*CODED, *REASON)),
    "portal": (
        (
            ("username", TEXT, lambda row: f"{FAMILY[row % 8].lower()}{row}"),
            ("e_mail", TEXT, lambda row: f"{FAMILY[row % 8].lower()}{row}@mail.example"),
            ("mobile", TEXT, lambda row: f"(617) 555-{row + 1000}"),
            ("last_ip", Family.ADDRESS, lambda row: f"10.0.0.{row % 250}"),
            ("photo", Family.BYTES, lambda row: ""),
            (
                "comments",
                TEXT,
                lambda row: f"{GIVEN[row % 8]} called, she comes on {day(row)}",
            ),
            ("mrn", TEXT, lambda row: f"{row * 7919 % 9_000_000 + 1_000_000}"),
        ),
        (("active", Family.BOOLEAN, pick("t", "f")), ("language", TEXT, pick("en", "es", "pt"))),
    ),
}
ROWS = range(200)


def scanned() -> list[tuple[str, bool, LabelClass | None]]:
    """Each column, whether it is to be hidden, and the level that is proposed."""
    found = []
    for table, (hide, show) in TABLES.items():
        listed = [(*one, True) for one in hide] + [(*one, False) for one in show]
        columns = tuple(
            Column(ColumnRef("synthea", table, name), family.value, family)
            for name, family, _, _ in listed
        )
        rows = tuple(tuple(str(made(row)) for _, _, made, _ in listed) for row in ROWS)
        proposals = propose("clinic", Relation("synthea", table, columns), Sample(rows))
        for (name, _, _, secret), one in zip(listed, proposals, strict=True):
            found.append((f"{table}.{name}", secret, one.label and one.label.level))
    return found


def test_what_is_found_and_what_is_suspected() -> None:
    found = scanned()
    hide = {name: level for name, secret, level in found if secret}
    show = {name: level for name, secret, level in found if not secret}
    missed = {name for name, level in hide.items() if level in (None, LabelClass.PUBLIC)}
    opened = {name for name, level in hide.items() if level is LabelClass.PUBLIC}
    suspected = {n for n, level in show.items() if level not in (None, LabelClass.PUBLIC)}
    offered = {name for name, level in show.items() if level is LabelClass.PUBLIC}
    assert (len(hide), len(show)) == (51, 55)
    assert missed == opened == set()
    # Capitalised words in a relation about people may be names: a person sees that they are not.
    assert suspected == {"providers.speciality"}
    assert len(offered) >= 52
