# ruff: noqa: E501 - a case is a line
"""A server that says it speaks FHIR, and answers each path in its own odd way."""

from __future__ import annotations

import gzip
import json
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FHIR = "application/fhir+json"


@dataclass(frozen=True)
class Phi:
    """What differs between twins: every value, and its length."""

    name: str
    ssn: str
    day: str  #: of the same year
    number: int
    text: str


ONE = Phi("Ann Canary", "111-11-1111", "1970-01-02", 7, "Canary fell")
OTHER = Phi(
    "Béatrice Maria von Canary-Long", "2222", "1970-11-30T10:11:12Z", 1234567, "Canary " * 9
)

Answer = tuple[str, list[tuple[str, str]], bytes]


def document(resource: Any, status: str = "200 OK", **headers: str) -> Answer:
    """A resource as a server sends it."""
    listed = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return status, [("Content-Type", FHIR), *listed], json.dumps(resource).encode()


def raw(body: bytes, media: str = FHIR, status: str = "200 OK", **headers: str) -> Answer:
    """Bytes as they are."""
    listed = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return status, [("Content-Type", media), *listed], body


def patient(**members: Any) -> dict[str, Any]:
    """A patient with these members."""
    return {"resourceType": "Patient", "id": "p", **members}


def of(kind: str, **members: Any) -> dict[str, Any]:
    """A resource with these members."""
    return {"resourceType": kind, "id": "r", **members}


def outcome(**issue: Any) -> dict[str, Any]:
    """An OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", **issue}]}


def bundle(*entries: Any, **members: Any) -> dict[str, Any]:
    """A Bundle."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": list(entries), **members}


def deep(levels: int, inner: Any) -> Any:
    """Extensions within extensions."""
    for _ in range(levels):
        inner = {"url": "x", "extension": [inner]}
    return inner


def _xml(phi: Phi) -> bytes:
    return f'<Patient><name><family value="{phi.name}"/></name></Patient>'.encode()


def _kind(kind: str, **members: Callable[[Phi], Any]) -> Callable[[Phi], Answer]:
    return lambda phi: document(of(kind, **{name: make(phi) for name, make in members.items()}))


def _extension(make: Callable[[Phi], dict[str, Any]]) -> Callable[[Phi], Answer]:
    return lambda phi: document(patient(extension=[{"url": "http://x/y", **make(phi)}]))


def _header(**headers: str) -> Callable[[Phi], Answer]:
    return lambda phi: document(
        patient(active=True),
        **{name: value.format(p=phi, base="/fhir/R4") for name, value in headers.items()},
    )


def _body(text: str, media: str = FHIR, status: str = "200 OK") -> Callable[[Phi], Answer]:
    """The text with ``@N``, ``@S``, ``@D``, ``@X``, ``@T`` filled in."""

    def make(phi: Phi) -> Answer:
        filled = text
        for mark, value in zip("NSDXT", vars(phi).values(), strict=True):
            filled = filled.replace(f"@{mark}", str(value))
        return raw(filled.encode(), media, status)

    return make


#: What the server says at ``/Patient/<name>``.
# fmt: off
CASES: dict[str, Callable[[Phi], Answer]] = {
    # --- elements
    "narrative": lambda p: document(patient(text={"status": "generated", "div": f"<div>{p.name}</div>"})),
    "narrative-odd": lambda p: document(patient(text=p.name)),
    "narrative-list": lambda p: document(patient(text=[{"div": p.name}])),
    "unknown": lambda p: document(patient(nickname=p.name, nested={"name": p.name}, many=[p.ssn])),
    "unknown-keys": lambda p: document(patient(**{p.name: True, p.ssn: {"a": 1}})),
    "comments": lambda p: document(patient(fhir_comments=[p.name])),
    "primitive": lambda p: document(patient(_gender={"extension": [{"url": "x", "valueString": p.name}]})),
    "primitive-keys": lambda p: document(patient(**{f"_{p.name}": {"id": p.ssn}})),
    "primitive-id": lambda p: document(patient(_active={"id": p.name})),
    "primitive-birth": lambda p: document(patient(_birthDate={"extension": [{"url": "x", "valueDateTime": p.day}]})),
    "birth": lambda p: document(patient(birthDate=p.day)),
    "death": lambda p: document(patient(deceasedDateTime=p.day)),
    "name-text": lambda p: document(patient(name=p.name)),
    "name-number": lambda p: document(patient(name=[p.number])),
    "name-parts": lambda p: document(patient(name=[{"family": p.name, "given": p.name.split(), "prefix": p.name.split(), "period": {"start": p.day}}])),
    "name-primitive": lambda p: document(patient(name=[{"_family": {"extension": [{"url": "x", "valueString": p.name}]}, "_given": [None] * (p.number % 5)}])),
    "name-nested": lambda p: document(patient(name=[[{"family": p.name}]])),
    "name-extension": lambda p: document(patient(name=[{"extension": [{"url": "x", "valueString": p.name}]}])),
    "identifier": lambda p: document(patient(identifier=[{"value": p.ssn, "period": {"end": p.day}, "assigner": {"display": p.name}}])),
    "identifier-number": lambda p: document(patient(identifier=[{"value": p.number}])),
    "identifier-text": lambda p: document(patient(identifier=p.ssn)),
    "telecom": lambda p: document(patient(telecom=[{"value": p.ssn, "system": "phone"}])),
    "address": lambda p: document(patient(address=[{"line": p.name.split(), "postalCode": p.ssn, "city": p.name, "district": p.name, "state": p.name, "country": p.name}])),
    "address-text": lambda p: document(patient(address=[p.name])),
    "photo": lambda p: document(patient(photo=[{"data": "QUJD" * len(p.name), "url": f"http://x/{p.ssn}", "hash": "QUJD" * len(p.name), "size": p.number, "title": p.name, "creation": p.day}])),
    "marital": lambda p: document(patient(maritalStatus={"text": p.text})),
    "language": lambda p: document(patient(communication=[{"language": {"text": p.name}}])),
    "gender-text": lambda p: document(patient(gender=f"see {p.name}")),
    "gender-object": lambda p: document(patient(gender={"value": p.name})),
    "active-text": lambda p: document(patient(active=p.name)),
    "id-text": lambda p: document({"resourceType": "Patient", "id": f"{p.name} {p.ssn}"}),
    "id-number": lambda p: document({"resourceType": "Patient", "id": p.number}),
    "meta": lambda p: document(patient(meta={"lastUpdated": p.day[:10] + "T00:00:00Z", "note": p.name, "extension": [{"url": "x", "valueString": p.name}]})),
    "contact": lambda p: document(patient(contact=[{"name": {"text": p.name}, "organization": {"display": p.name}}])),
    "link": lambda p: document(patient(link=[{"other": {"reference": f"Patient?identifier={p.ssn}", "display": p.name}, "type": "seealso"}])),
    "reference-foreign": lambda p: document(patient(generalPractitioner=[{"reference": f"https://other.example/P/{p.ssn}"}])),
    "reference-own": lambda p: document(patient(generalPractitioner=[{"reference": f"http://127.0.0.1/fhir/R4/Practitioner/of {p.name}"}])),
    "reference-escapes": lambda p: document(patient(generalPractitioner=[{"reference": f"/fhir/R4/Practitioner/of%20{p.number}"}])),
    "reference-fragment": lambda p: document(patient(generalPractitioner=[{"reference": f"#{p.name}"}])),
    "reference-query": lambda p: document(patient(generalPractitioner=[{"reference": f"/Practitioner?name={p.name}"}])),
    "reference-identifier": lambda p: document(patient(generalPractitioner=[{"identifier": {"value": p.ssn}}])),
    "contained": lambda p: document(of("Condition", contained=[patient(name=[{"text": p.name}])])),
    "contained-twice": lambda p: document(of("Condition", contained=[of("List", contained=[patient(name=[{"text": p.name}])])])),
    "contained-unknown": lambda p: document(of("Condition", contained=[{"resourceType": p.name}])),
    "restricted": lambda p: document(patient(meta={"security": [{"code": "R"}]}, name=[{"text": p.name}], gender="male" if p.number == 7 else "female")),
    # --- extensions
    "extension-string": _extension(lambda p: {"valueString": p.name}),
    "extension-number": _extension(lambda p: {"valueInteger": p.number}),
    "extension-decimal": _extension(lambda p: {"valueDecimal": p.number / 3}),
    "extension-uri": _extension(lambda p: {"valueUri": f"tel:{p.ssn}"}),
    "extension-url": _extension(lambda p: {"valueUrl": f"https://x/{p.ssn}"}),
    "extension-oid": _extension(lambda p: {"valueOid": f"urn:oid:1.2.{p.number}"}),
    "extension-id": _extension(lambda p: {"valueId": p.ssn}),
    "extension-time": _extension(lambda p: {"valueTime": "10:00:00" if p.number == 7 else "11:00"}),
    "extension-quantity": _extension(lambda p: {"valueQuantity": {"value": p.number}}),
    "extension-name": _extension(lambda p: {"valueHumanName": {"text": p.name}}),
    "extension-annotation": _extension(lambda p: {"valueAnnotation": {"text": p.text, "authorString": p.name}}),
    "extension-contact": _extension(lambda p: {"valueContactDetail": {"name": p.name}}),
    "extension-unknown": _extension(lambda p: {"valueWhatever": p.name}),
    "extension-two": _extension(lambda p: {"valueString": p.name, "valueCode": "x", "extension": [{"url": "y", "valueString": p.ssn}]}),
    "extension-keys": _extension(lambda p: {p.name: p.ssn}),
    "modifier": lambda p: document(patient(modifierExtension=[{"url": "x", "valueString": p.name}])),
    "extension-url-text": lambda p: document(patient(extension=[{"url": f"of {p.name}", "valueCode": "x"}])),
    "extension-text": lambda p: document(patient(extension=[p.name])),
    "extension-object": lambda p: document(patient(extension={"url": "x", "valueString": p.name})),
    "deep": lambda p: document(patient(extension=[deep(20, {"url": "x", "valueString": p.name})])),
    "too-deep": lambda p: document(patient(extension=[deep(300, {"url": "x", "valueString": p.name})])),
    # --- other resources
    "binary": _kind("Binary", contentType=lambda p: "text/plain", data=lambda p: "QUJD" * len(p.name)),
    "document": _kind("DocumentReference", description=lambda p: p.text, content=lambda p: [{"attachment": {"title": p.name, "url": f"Binary/{p.ssn}?x={p.name}"}}]),
    "composition": _kind("Composition", title=lambda p: p.text, section=lambda p: [{"title": p.name, "text": {"status": "generated", "div": f"<div>{p.text}</div>"}}]),
    "answers": _kind("QuestionnaireResponse", item=lambda p: [{"linkId": p.name, "text": p.text, "answer": [{"valueString": p.name}, {"valueDate": p.day}, {"valueTime": "10:00:00"[: p.number % 9]}]}]),
    "communication": _kind("Communication", payload=lambda p: [{"contentString": p.text}, {"contentAttachment": {"title": p.name}}]),
    "audit": _kind("AuditEvent", agent=lambda p: [{"name": p.name, "altId": p.ssn, "network": {"address": p.ssn}}], entity=lambda p: [{"name": p.name, "query": "QUJD" * len(p.name), "description": p.text}]),
    "provenance": _kind("Provenance", signature=lambda p: [{"data": "QUJD" * len(p.name), "who": {"display": p.name}}], reason=lambda p: [{"text": p.text}]),
    "device": _kind("Device", serialNumber=lambda p: p.ssn, lotNumber=lambda p: p.ssn, distinctIdentifier=lambda p: p.ssn, udiCarrier=lambda p: [{"deviceIdentifier": p.ssn, "carrierHRF": p.ssn, "carrierAIDC": "QUJD" * len(p.name)}], note=lambda p: [{"text": p.text}]),
    "imaging": _kind("ImagingStudy", identifier=lambda p: [{"value": p.ssn}], series=lambda p: [{"uid": f"1.2.{p.number}", "description": p.text, "instance": [{"uid": f"1.3.{p.number}", "title": p.name}]}]),
    "location": _kind("Location", name=lambda p: p.name, position=lambda p: {"longitude": p.number / 7, "latitude": 1}, address=lambda p: {"line": [p.name]}),
    "claim": _kind("Claim", insurance=lambda p: [{"sequence": 1, "businessArrangement": p.ssn, "preAuthRef": [p.ssn]}], supportingInfo=lambda p: [{"sequence": 1, "valueString": p.text}]),
    "coverage": _kind("Coverage", subscriberId=lambda p: p.ssn, dependent=lambda p: p.name, network=lambda p: p.name, **{"class": lambda p: [{"value": p.ssn, "name": p.name}]}),
    "task": _kind("Task", description=lambda p: p.text, input=lambda p: [{"valueString": p.name}, {"valueReference": {"display": p.name}}, {"valueSignature": {"data": p.name}}]),
    "sampled": _kind("Observation", valueSampledData=lambda p: {"data": p.text, "origin": {"value": 1}}, note=lambda p: [{"text": p.text}], method=lambda p: {"text": p.text}),
    "observation-value": _kind("Observation", valueDateTime=lambda p: p.day),
    "observation-time": _kind("Observation", valueTime=lambda p: "10:00:00" if p.number == 7 else "11:11:11"),
    "timing": _kind("ServiceRequest", occurrenceTiming=lambda p: {"event": [p.day], "repeat": {"timeOfDay": ["10:00:00"] * (p.number % 3)}, "code": {"text": p.text}}, patientInstruction=lambda p: p.text),
    "schedule": _kind("Appointment", description=lambda p: p.text, comment=lambda p: p.name, participant=lambda p: [{"actor": {"display": p.name}}]),
    "consent": _kind("Consent", provision=lambda p: {"data": [{"reference": {"display": p.name}}]}, sourceAttachment=lambda p: {"title": p.name}),
    "family": _kind("FamilyMemberHistory", name=lambda p: p.name, bornString=lambda p: p.text, ageAge=lambda p: {"value": 92 if p.number == 7 else 101, "unit": "a", "code": "a"}),
    "age-range": _kind("Condition", onsetRange=lambda p: {"low": {"value": 91 if p.number == 7 else 99, "unit": "years"}, "high": {"value": 95 if p.number == 7 else 103, "code": "a"}}),
    "age-quantity": _kind("Observation", valueQuantity=lambda p: {"value": 90 if p.number == 7 else 104.5, "unit": "Years", "system": "http://unitsofmeasure.org", "code": "a"}),
    "age-months": _kind("Observation", valueQuantity=lambda p: {"value": 1090 if p.number == 7 else 1200, "code": "mo"}),
    "age-days": _kind("Condition", onsetAge=lambda p: {"value": 33000 if p.number == 7 else 40000, "code": "d"}),
    "age-text": _kind("Condition", onsetString=lambda p: p.text, abatementAge=lambda p: {"value": str(p.number), "code": "a"}),
    "definition-contained": _kind("ValueSet", contained=lambda p: [patient(name=[{"text": p.name}])]),
    "definition-extension": _kind("CodeSystem", extension=lambda p: [{"url": "x", "valueHumanName": {"text": p.name}}]),
    "definition-narrative": _kind("Questionnaire", text=lambda p: {"status": "additional", "div": f"<div>{p.name}</div>"}),
    "subscription": _kind("Subscription", criteria=lambda p: f"Patient?name={p.name}", channel=lambda p: {"endpoint": f"https://x/{p.ssn}", "header": [p.name]}),
    "values": lambda p: document({"resourceType": "Parameters", "parameter": [{"name": "a", "valueId": p.ssn}, {"name": "b", "valueOid": f"urn:oid:1.{p.number}"}, {"name": "c", "valueTime": "10:00:00"[: p.number % 9]}]}),
    # --- bundles and parameters
    "bundle": lambda p: document(bundle({"resource": patient(name=[{"text": p.name}]), "fullUrl": f"https://x/{p.ssn}"})),
    "bundle-links": lambda p: document(bundle(link=[{"relation": "self", "url": f"https://x/Patient?name={p.name}"}, {"relation": "next", "url": f"/fhir/R4/Patient?name={p.name}"}])),
    "bundle-links-known": lambda p: document(bundle(link=[{"relation": "next", "url": f"@/fhir/R4/Patient?_count=2&q={p.number}"}, {"relation": "self", "url": f"@/fhir/R4/Patient?gender=of%20{p.number}"}, {"relation": "previous", "url": f"@/fhir/R4/Patient/of%20{p.number}?_count=2"}])),
    "bundle-links-relation": lambda p: document(bundle(link=[{"relation": p.name, "url": "@/fhir/R4/Patient?_count=2"}])),
    "bundle-full-url": lambda p: document(bundle({"resource": patient(), "fullUrl": f"@/fhir/R4/Patient/of%20{p.number}"}, {"resource": patient(), "fullUrl": f"@/fhir/R4/{p.number}/x/y/z?#/"})),
    "bundle-location": lambda p: document(bundle({"response": {"status": "201", "location": f"@/fhir/R4/Patient/of%20{p.number}"}})),
    "manifest": lambda p: raw(json.dumps({"output": [{"type": p.name, "url": f"@/fhir/R4/files/of%20{p.number}.ndjson", "count": p.number, "extension": {"x": p.name}}], "error": [], "request": p.name, "message": p.name}).encode(), "application/json"),
    "bundle-request": lambda p: document(bundle({"request": {"method": "PUT", "url": f"Patient?identifier={p.ssn}", "ifNoneExist": f"name={p.name}", "ifMatch": p.name}})),
    "bundle-response": lambda p: document(bundle({"response": {"status": f"201 {p.name}", "location": f"Patient?name={p.name}", "etag": f'W/"{p.name}"', "outcome": outcome(diagnostics=p.text)}})),
    "bundle-signature": lambda p: document(bundle(signature={"data": p.name, "who": {"display": p.name}}, identifier={"value": p.ssn})),
    "bundle-odd": lambda p: document(bundle(p.name, [p.ssn], None)),
    "bundle-unknown": lambda p: document(bundle({"resource": {"resourceType": p.name}})),
    "bundle-message": lambda p: document(bundle({"resource": of("MessageHeader", source={"name": p.name, "endpoint": f"http://x/{p.ssn}"})}, type="message")),
    "parameters": lambda p: document({"resourceType": "Parameters", "parameter": [{"name": p.name, "valueString": p.name}, {"name": "a", "part": [{"name": "b", "valueDate": p.day}]}, {"name": "c", "resource": patient(name=[{"text": p.name}])}, {"name": "d", "valueIdentifier": {"value": p.ssn}}]}),
    # --- errors
    "error-diagnostics": lambda p: document(outcome(code="invalid", diagnostics=p.text, expression=[p.name], location=[p.ssn]), "400 Bad Request"),
    "error-details": lambda p: document(outcome(code="invalid", details={"text": p.text}), "422 Unprocessable Entity"),
    "error-display": lambda p: document(outcome(code="invalid", details={"coding": [{"code": "x", "display": p.text}]}), "409 Conflict"),
    "error-extension": lambda p: document(outcome(code="exception", extension=[{"url": "stack", "valueString": p.text}]), "500 Internal Server Error"),
    "error-text": _body("@N was not found", "text/plain", "404 Not Found"),
    "error-html": _body("<h1>@N</h1>", "text/html", "500 Internal Server Error"),
    "error-json": _body('{"error":"@N","message":"@S"}', "application/json", "400 Bad Request"),
    "error-problem": _body('{"title":"@N","detail":"@S"}', "application/problem+json", "409 Conflict"),
    "error-empty": _body("", "text/plain", "404 Not Found"),
    "reason-phrase": lambda p: document(patient(), f"200 {p.name.encode('ascii', 'ignore').decode()}"),
    "reason-error": lambda p: document(outcome(code="x"), f"404 no {p.ssn}"),
    "redirect": lambda p: raw(b"", FHIR, "302 Found", Location=f"https://other.example/{p.ssn}"),
    "redirect-own": lambda p: raw(b"", FHIR, "303 See Other", Location=f"//other.example/{p.ssn}"),
    "not-modified": lambda p: raw(b"", FHIR, "304 Not Modified", ETag=f'W/"{p.number}"'),
    "gone": lambda p: document(outcome(code="deleted", diagnostics=p.name), "410 Gone"),
    "precondition": lambda p: document(outcome(code="conflict", diagnostics=p.name), "412 Precondition Failed"),
    # --- headers
    "header-own": _header(X_Patient="{p.ssn}", X_Name="{p.number}"),
    "header-etag": _header(ETag='W/"{p.number}"', Last_Modified="Wed, 21 Oct 2015 07:28:00 GMT, {p.ssn}"),
    "header-cookie": _header(Set_Cookie="patient={p.ssn}"),
    "header-link": _header(Link="<https://x/{p.ssn}>; rel=next"),
    "header-warning": _header(Warning='199 - "{p.text}"'),
    "header-disposition": _header(Content_Disposition='attachment; filename="{p.ssn}.json"'),
    "header-location": _header(Content_Location="https://x/{p.ssn}"),
    "header-location-search": _header(Location="{base}/Patient?name={p.number}"),
    "header-location-text": _header(Location="{base}/Patient/of%20{p.number}"),
    "header-location-relative": _header(Location="Patient?identifier={p.ssn}"),
    "header-location-fragment": _header(Location="{base}/Patient/p#{p.number}"),
    "header-content-location": _header(Content_Location="{base}/Patient?identifier={p.ssn}"),
    "redirect-search": lambda p: raw(b"", FHIR, "303 See Other", Location=f"/fhir/R4/Patient?identifier={p.ssn}"),
    "header-refresh": _header(Refresh="0; url=/{p.ssn}"),
    "header-cors": _header(Access_Control_Allow_Origin="https://{p.ssn}.example"),
    "header-policy": _header(Content_Security_Policy="report-uri /{p.ssn}", NEL="{p.ssn}", Report_To="{p.ssn}"),
    "header-timing": _header(Server_Timing="db;desc={p.number}", X_Powered_By="{p.number}"),
    "header-session": _header(Mcp_Session_Id="{p.number}"),
    "header-progress": _header(X_Progress="{p.text}", Expires="{p.text}", Age="{p.number}"),
    "header-digest": _header(Digest="sha-256={p.number}", Content_MD5="{p.number}"),
    "header-challenge": _header(WWW_Authenticate='Basic realm="{p.ssn}"'),
    "header-retry": _header(Retry_After="{p.ssn} days"),
    "header-allow": _header(Allow="GET, {p.ssn}"),
    "header-date": _header(Date="{p.text}"),
    "header-language": _header(Content_Language="{p.number}"),
    # --- formats
    "xml": lambda p: raw(_xml(p), "application/fhir+xml"),
    "xml-lie": lambda p: raw(_xml(p)),
    "html-lie": _body("<html>@N</html>"),
    "jsonp": _body('callback({"resourceType":"Patient","id":"@S"})', "application/javascript"),
    "jsonp-lie": _body('callback({"resourceType":"Patient","id":"@S"})'),
    "comments-lie": _body('/* @N */ {"resourceType":"Patient"}'),
    "behind": _body('{"resourceType":"Patient"} @N'),
    "two": _body('{"resourceType":"Patient"}\n{"resourceType":"Patient","name":[{"text":"@N"}]}'),
    "text-lie": _body("@N"),
    "string": _body('"@N"'),
    "number": _body("@X"),
    "list": _body('["@N"]'),
    "null": _body("null"),
    "no-type": _body('{"name":"@N"}'),
    "two-types": _body('{"resourceType":"Patient","resourceType":"Basic","name":[{"text":"@N"}]}'),
    "two-names": _body('{"resourceType":"Patient","gender":"male","name":[{"text":"@N"}],"name":"@S"}'),
    "escapes": _body('{"resourceType":"Patient","\\u006eame":[{"t\\u0065xt":"@N"}]}'),
    "precision": _body('{"resourceType":"Observation","valueString":"@N","valueQuantity":{"value":1.10}}'),
    "huge-number": _body('{"resourceType":"Patient","identifier":[{"value":1e400}],"name":[{"text":"@N"}]}'),
    "nan": _body('{"resourceType":"Patient","x":NaN,"name":[{"text":"@N"}]}'),
    "control": lambda p: raw(b'{"resourceType":"Patient","name":[{"text":"%s"}]}' % (b"A\x01" if p.number == 7 else b"B")),
    "surrogate": lambda p: raw(b'{"resourceType":"Patient","name":[{"text":"%s"}]}' % (b"\\ud800" if p.number == 7 else b"B")),
    "latin": lambda p: raw(b'{"resourceType":"Patient","name":[{"text":"%s"}]}' % (b"Jos\xe9" if p.number == 7 else b"Joe")),
    "bom": lambda p: raw(b"\xef\xbb\xbf" + json.dumps(patient(name=[{"text": p.name}])).encode()),
    "utf-16": lambda p: raw(json.dumps(patient(name=[{"text": p.name}])).encode("utf-16"), f"{FHIR}; charset=utf-16"),
    "utf-16-lie": lambda p: raw(json.dumps(patient(name=[{"text": p.name}])).encode("utf-16")),
    "utf-7": lambda p: raw(json.dumps(patient(name=[{"text": p.name}])).encode(), f"{FHIR}; charset=utf-7"),
    "parameter": lambda p: raw(json.dumps(patient()).encode(), f'{FHIR}; name="{p.ssn}"'),
    "gzip": lambda p: raw(gzip.compress(json.dumps(patient(name=[{"text": p.name}])).encode()), FHIR, Content_Encoding="gzip"),
    "gzip-lie": lambda p: raw(json.dumps(patient(name=[{"text": p.name}])).encode(), FHIR, Content_Encoding="gzip"),
    "coding-unknown": lambda p: raw(p.name.encode(), FHIR, Content_Encoding="zz"),
    "multipart": _body("--b\r\nContent-Type: application/fhir+json\r\n\r\n{@N}\r\n--b--", "multipart/mixed; boundary=b"),
    "related": _body("--b\r\n\r\n@N\r\n--b--", "multipart/related; boundary=b"),
    "octets": _body("@N", "application/octet-stream"),
    "image": _body("@N", "image/png"),
    "csv": _body("name\r\n@N\r\n", "text/csv"),
    "hl7": _body("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5\rPID|1||@S||@N", "application/hl7-v2"),
    "no-media": lambda p: ("200 OK", [], json.dumps(patient(name=[{"text": p.name}])).encode()),
    "two-media": lambda p: ("200 OK", [("Content-Type", FHIR), ("Content-Type", "text/plain")], p.name.encode()),
    # --- lines
    "ndjson": _body('{"resourceType":"Patient","name":[{"text":"@N"}]}\n\n{"resourceType":"Patient"}\r\n', "application/fhir+ndjson"),
    "ndjson-broken": _body('{"resourceType":"Patient"}\n{"resourceType":"Patient","name":"@N\n', "application/fhir+ndjson"),
    "ndjson-unknown": _body('{"resourceType":"Patient"}\n{"resourceType":"@N"}\n', "application/fhir+ndjson"),
    "ndjson-text": _body("@N\n@S\n", "application/ndjson"),
    "ndjson-bom": _body('\ufeff{"resourceType":"Patient","name":[{"text":"@N"}]}\n', "application/x-ndjson"),
    "ndjson-last": _body('{"resourceType":"Patient"}\n{"resourceType":"Patient","name":[{"text":"@N"}]}', "application/fhir+ndjson"),
    "events": _body('data: {"resourceType":"Patient","name":[{"text":"@N"}]}\n\n', "text/event-stream"),
}


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    phi: Phi


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """One request after the other, until the client hangs up."""
        while line := self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            method, path, _ = line.decode().split(" ", 2)
            name = path.partition("?")[0].rpartition("/")[2]
            server = self.server
            assert isinstance(server, _Server)
            status, headers, body = CASES[name](server.phi)
            own = f"http://127.0.0.1:{server.server_address[1]}"
            body = body.replace(b'"@/', f'"{own}/'.encode())
            lines = [f"HTTP/1.1 {status}", *(f"{key}: {value}" for key, value in headers)]
            if not status.startswith("304"):
                lines.append(f"Content-Length: {len(body)}")
            self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
            if method != "HEAD" and not status.startswith("304"):
                self.wfile.write(body)


class OddFHIR:
    """Runs between ``__enter__`` and ``__exit__``; ``port`` is on 127.0.0.1."""

    def __init__(self, phi: Phi) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.phi = phi
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> OddFHIR:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
