"""What names, types and comments of columns say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import re2

from hoopgate.phi.detectors.patterns import PEOPLE

#: Words of a name → kind and how sure they make us. Several words must follow one another.
_SAID: Final = {
    "ssn": ("SSN", 0.95),
    "social security": ("SSN", 0.9),
    "tax id": ("SSN", 0.7),
    "tin": ("SSN", 0.5),
    "mrn": ("MRN", 0.95),
    "medical record": ("MRN", 0.9),
    "chart number": ("MRN", 0.7),
    "patient number": ("MRN", 0.7),
    "patient identifier": ("MRN", 0.7),
    **dict.fromkeys(
        (
            *("patient id", "patient num", "patient ide", "patient key", "patient sk"),
            *("person id", "subject id"),
        ),
        ("PATIENT", 0.6),
    ),
    "mbi": ("MBI", 0.9),
    "medicare": ("MBI", 0.6),
    "medicaid": ("MEMBER", 0.6),
    "member id": ("MEMBER", 0.8),
    "member number": ("MEMBER", 0.8),
    "subscriber id": ("MEMBER", 0.8),
    "policy number": ("MEMBER", 0.8),
    "insurance id": ("MEMBER", 0.8),
    "insurance no": ("MEMBER", 0.8),
    "insurance number": ("MEMBER", 0.8),
    "npi": ("NPI", 0.8),
    "dea": ("DEA", 0.6),
    "first name": ("NAME", 0.95),
    "last name": ("NAME", 0.95),
    "middle name": ("NAME", 0.95),
    "maiden": ("NAME", 0.9),
    "maiden name": ("NAME", 0.95),
    "forename": ("NAME", 0.95),
    "full name": ("NAME", 0.95),
    "given name": ("NAME", 0.95),
    "family name": ("NAME", 0.95),
    "display name": ("NAME", 0.7),
    "fname": ("NAME", 0.85),
    "lname": ("NAME", 0.85),
    "firstname": ("NAME", 0.95),
    "lastname": ("NAME", 0.95),
    "fullname": ("NAME", 0.95),
    "surname": ("NAME", 0.95),
    "nickname": ("NAME", 0.8),
    "email": ("EMAIL", 0.95),
    "e mail": ("EMAIL", 0.95),
    "phone": ("PHONE", 0.9),
    "telephone": ("PHONE", 0.9),
    "mobile": ("PHONE", 0.8),
    "cell": ("PHONE", 0.5),
    "fax": ("PHONE", 0.9),
    "pager": ("PHONE", 0.8),
    "address": ("ADDRESS", 0.8),
    "street": ("ADDRESS", 0.85),
    "addr": ("ADDRESS", 0.7),
    "city": ("ADDRESS", 0.6),
    "county": ("ADDRESS", 0.5),
    "town": ("ADDRESS", 0.6),
    "fips": ("ADDRESS", 0.6),
    "birthplace": ("ADDRESS", 0.8),
    "birth place": ("ADDRESS", 0.8),
    "place of birth": ("ADDRESS", 0.8),
    "census tract": ("LOCATION", 0.8),
    "latitude": ("LOCATION", 0.8),
    "longitude": ("LOCATION", 0.8),
    "lat": ("LOCATION", 0.7),
    "lon": ("LOCATION", 0.7),
    "lng": ("LOCATION", 0.7),
    "geocode": ("LOCATION", 0.8),
    "zip": ("ZIP", 0.9),
    "zipcode": ("ZIP", 0.9),
    "postal code": ("ZIP", 0.9),
    "postcode": ("ZIP", 0.9),
    "dob": ("DOB", 0.95),
    "birth date": ("DOB", 0.95),
    "date of birth": ("DOB", 0.95),
    "birthdate": ("DOB", 0.95),
    "birthday": ("DOB", 0.95),
    "born": ("DOB", 0.8),
    **dict.fromkeys(("year of birth", "birth year", "yob"), ("YEAR_OF_BIRTH", 0.95)),
    **dict.fromkeys(
        ("month of birth", "birth month", "day of birth", "birth day"), ("PART_OF_BIRTH", 0.95)
    ),
    "age": ("AGE", 0.8),
    "death date": ("DATE", 0.9),
    "date of death": ("DATE", 0.9),
    "deceased": ("DATE", 0.5),
    "credit card": ("CARD", 0.9),
    "card number": ("CARD", 0.85),
    "pan": ("CARD", 0.5),
    "iban": ("ACCOUNT", 0.9),
    "account number": ("ACCOUNT", 0.8),
    "bank account": ("ACCOUNT", 0.9),
    "portal id": ("ACCOUNT", 0.7),
    "login": ("ACCOUNT", 0.6),
    "username": ("ACCOUNT", 0.8),
    "user name": ("ACCOUNT", 0.8),
    "license": ("LICENSE", 0.6),
    "licence": ("LICENSE", 0.6),
    "drivers": ("LICENSE", 0.7),
    "passport": ("LICENSE", 0.95),
    "vin": ("VEHICLE", 0.8),
    "plate": ("VEHICLE", 0.6),
    "device id": ("DEVICE", 0.8),
    "serial number": ("DEVICE", 0.7),
    "imei": ("DEVICE", 0.9),
    "mac address": ("DEVICE", 0.8),
    "ip": ("IP", 0.8),
    "ip address": ("IP", 0.95),
    "url": ("URL", 0.6),
    "website": ("URL", 0.6),
    "photo": ("IMAGE", 0.9),
    "picture": ("IMAGE", 0.8),
    "image": ("IMAGE", 0.6),
    "fingerprint": ("BIOMETRIC", 0.9),
    "iris": ("BIOMETRIC", 0.6),
    "voiceprint": ("BIOMETRIC", 0.9),
    "genome": ("BIOMETRIC", 0.9),
    "note": ("NOTE", 0.8),
    "notes": ("NOTE", 0.8),
    "comment": ("NOTE", 0.7),
    "comments": ("NOTE", 0.7),
    "remarks": ("NOTE", 0.7),
    "narrative": ("NOTE", 0.85),
    "free text": ("NOTE", 0.85),
    "history": ("NOTE", 0.5),
    "complaint": ("NOTE", 0.6),
    "emergency contact": ("CONTACT", 0.85),
    "contact": ("CONTACT", 0.6),
    "next of kin": ("CONTACT", 0.9),
    "kin": ("CONTACT", 0.7),
    "guarantor": ("CONTACT", 0.5),
    "password": ("CREDENTIAL", 0.95),
    "passwd": ("CREDENTIAL", 0.95),
    "secret": ("CREDENTIAL", 0.7),
    "api key": ("CREDENTIAL", 0.9),
    "token": ("CREDENTIAL", 0.6),
}
#: A part of a name is called so for short where the rest of the row is about people.
_PARTS: Final = {("first",), ("middle",), ("last",), ("given",), ("family",)}
#: A comment says what it is about, and other things besides.
_COMMENT: Final = 0.75
_CAMEL: Final = re2.compile(r"(\p{Ll}|\d)(\p{Lu})")
_SPLIT: Final = re2.compile(r"[^\p{L}]+")


def words(text: str) -> tuple[str, ...]:
    """``patientBirth_date2`` → ``("patient", "birth", "date")``."""
    parted = _CAMEL.sub(r"\1 \2", text)
    return tuple(one for one in _SPLIT.split(parted.lower()) if one)


def said(name: str, relation: str, comment: str) -> Iterator[tuple[str, float, str]]:
    """What a column's own name and comment say: kind, how sure (0 to 1), reason."""
    own = words(name)
    for kind, score, phrase in _phrases(own):
        yield kind, score, f"its name says {phrase}"
    if "name" in own and PEOPLE.intersection((*own, *words(relation))):
        yield "NAME", 0.85, "a name, in a relation about people"
    elif own in _PARTS and PEOPLE.intersection(words(relation)):
        yield "NAME", 0.8, "a part of a name, in a relation about people"
    elif own == ("name",):
        yield "NAME", 0.3, "its name says name"
    for kind, score, phrase in _phrases(words(comment)):
        yield kind, score * _COMMENT, f"its comment says {phrase}"


def _phrases(own: tuple[str, ...]) -> Iterator[tuple[str, float, str]]:
    for length in (1, 2, 3):
        for start in range(len(own) - length + 1):
            phrase = " ".join(own[start : start + length])
            if phrase in _SAID:
                yield (*_SAID[phrase], phrase)
