"""A real FHIR server (npm @medplum/fhir-router) with synthetic patients, private to a test run."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testbed.parts import NODE_MODULES, node, node_package
from testbed.process import Server

BASE = "/fhir/R4"
_SCRIPT = Path(__file__).with_name("fhir_server.cjs")

_FAMILIES = ("Abernathy", "Bergnaum", "Crist", "Dooley", "Emard", "Funk", "Goyette", "Hessel")
_GIVEN = ("Aurelia", "Berneice", "Cristobal", "Dario", "Elvira", "Florencio", "Gwen", "Hilario")
_STREETS = ("Ankunding Street", "Beier Course", "Cremin Throughway", "Daugherty Parade")
_CODES = (
    ("44054006", "Diabetes mellitus type 2"),
    ("38341003", "Hypertensive disorder"),
    ("195662009", "Acute viral pharyngitis"),
)


def patients(count: int, phi: int) -> list[dict[str, Any]]:
    """Resources of ``count`` patients: the same for every ``phi`` but for what identifies them.

    Nobody in here exists. Names carry the word Canary, so that a leak is found by looking for it.
    """
    secret = random.Random(phi)
    found: list[dict[str, Any]] = [
        {
            "resourceType": "Organization",
            "id": _id("0", 1),
            "name": "Clinic",
            "active": True,
        }
    ]
    for number in range(1, count + 1):
        found += _patient(number, random.Random(number), secret)
    return found


def _id(kind: str, number: int) -> str:
    return f"{kind}{number:07x}-0000-4000-8000-000000000000"


def _patient(number: int, public: random.Random, secret: random.Random) -> Iterator[dict[str, Any]]:
    patient = _id("1", number)
    family = f"{secret.choice(_FAMILIES)}Canary{secret.randrange(10**6)}"
    given = [f"{secret.choice(_GIVEN)}Canary" for _ in range(secret.randint(1, 3))]
    name = f"{given[0]} {family}"
    phone = f"555-{secret.randrange(10**7):07}"
    birth = f"19{30 + number % 60}-{secret.randint(1, 12):02}-{secret.randint(1, 28):02}"
    street = f"{secret.randrange(1, 9999)} {secret.choice(_STREETS)} Canary"
    ssn = f"999-{secret.randrange(10, 99)}-{secret.randrange(1000, 9999)}"
    subject = {"reference": f"Patient/{patient}", "display": name}
    yield {
        "resourceType": "Patient",
        "id": patient,
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{name}, born {birth}</div>',
        },
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
                "valueString": f"{family} Canary",
            },
            {"url": "http://example.org/account", "valueInteger": secret.randrange(10**6)},
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
                "valueCode": "F" if number % 2 else "M",
            },
        ],
        "identifier": [
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": ssn},
            {"system": "http://clinic.example/mrn", "value": f"MRN-{secret.randrange(10**8):08}"},
        ],
        "active": True,
        "name": [{"use": "official", "family": family, "given": given}],
        "telecom": [{"system": "phone", "value": phone, "use": "home"}],
        "gender": "female" if number % 2 else "male",
        "birthDate": birth,
        "address": [
            {
                "line": [street],
                "city": f"Canaryville{secret.randrange(100)}",
                "state": "Massachusetts",
                "postalCode": f"{secret.randrange(10**5):05}",
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/geolocation",
                        "extension": [
                            {"url": "latitude", "valueDecimal": secret.uniform(-90, 90)},
                            {"url": "longitude", "valueDecimal": secret.uniform(-180, 180)},
                        ],
                    }
                ],
            }
        ],
        "photo": [{"contentType": "image/png", "data": secret.randbytes(12).hex()}],
        "contact": [{"name": {"text": f"Contact {family} Canary"}, "telecom": [{"value": phone}]}],
        "managingOrganization": {"reference": f"Organization/{_id('0', 1)}"},
    }
    for visit in range(1, 3):
        code, display = public.choice(_CODES)
        day = f"2024-{visit:02}-{public.randint(1, 28):02}"
        coded = {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": display}]}
        yield {
            "resourceType": "Condition",
            "id": _id("2", number * 8 + visit),
            "code": {**coded, "text": f"{display} of {name}"},
            "subject": subject,
            "recordedDate": day,
            "note": [{"text": f"{name} said so", "authorString": f"Dr {family}"}],
            "contained": [
                {
                    "resourceType": "RelatedPerson",
                    "id": "kin",
                    "patient": {"reference": f"Patient/{patient}"},
                    "name": [{"text": f"Kin of {name}"}],
                }
            ],
        }
        yield {
            "resourceType": "Observation",
            "id": _id("3", number * 8 + visit),
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
            "subject": subject,
            "effectiveDateTime": f"{day}T08:00:00Z",
            "valueQuantity": {"value": 60 + public.randrange(400) / 10, "unit": "kg"},
            "component": [
                {
                    "code": {"text": f"as {given[0]} told"},
                    "valueString": f"free text about {name}",
                }
            ],
        }


class FHIRServer:
    """Runs the server between ``__enter__`` and ``__exit__``.

    :ivar port: on 127.0.0.1.
    """

    def __init__(
        self, directory: Path, resources: list[dict[str, Any]], name: str = "fhir"
    ) -> None:
        self._resources = directory / f"{name}.json"
        self._resources.write_text(json.dumps(resources))
        self._log = directory / f"{name}.log"
        self._server: Server | None = None
        self.port = 0

    def __enter__(self) -> FHIRServer:
        node_package("@medplum/fhir-router")
        self._server = Server(
            [node(), _SCRIPT, self._resources, BASE],
            log=self._log,
            environment={"NODE_PATH": str(NODE_MODULES)},
        )
        self._server.wait_until(self._ready, 120)
        return self

    def _ready(self) -> bool:
        text = self._log.read_text()
        if "port " not in text:
            return False
        self.port = int(text.split("port ")[1].split()[0])
        return True

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()
