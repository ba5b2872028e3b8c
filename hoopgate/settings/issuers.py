"""``[[issuers]]``: whose tokens are accepted."""

from __future__ import annotations

from collections.abc import Iterator

from hoopgate.settings import material, urls
from hoopgate.settings.model import Introspection, Issuer, Secret
from hoopgate.settings.reader import Table, defaults
from hoopgate.settings.rules import known, name

#: What an issuer has said of an opaque token holds so long at most.
MAXIMUM_CACHE_SECONDS = 300.0
MAXIMUM_LEEWAY = 60.0
#: Signature algorithms whose verifier holds no secret. HS256 and "none" are not among them.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)


def issuers(root: Table, check: bool) -> Iterator[Issuer]:
    taken: set[str] = set()
    taken_urls: set[str] = set()
    opaque = False
    for table in root.tables("issuers"):
        default = defaults(Issuer)
        issuer = Issuer(
            name=name(table, taken, "issuers"),
            url=table.text("url", example='"https://login.example.org"'),
            audiences=table.texts("audiences", example='["https://gw-1.example.org"]'),
            algorithms=table.texts("algorithms", default["algorithms"], '["ES256"]'),
            types=tuple(_type(one) for one in table.texts("types", default["types"])),
            maximum_lifetime=table.duration("maximum_lifetime", default["maximum_lifetime"]),
            leeway=table.duration("leeway", default["leeway"], zero=True),
            scope_claim=table.text("scope_claim", default["scope_claim"]),
            subject_claim=table.text("subject_claim", default["subject_claim"]),
            owner_claim=table.text("owner_claim", default["owner_claim"]),
            jwks_url=table.optional_text("jwks_url"),
            ca_file=material.authorities(table, "ca_file", check=check),
            subjects=table.texts("subjects", (), '["repo:example/agents:*"]', empty=True),
            scopes=frozenset(table.texts("scopes", (), '["hoopgate:clinic"]', empty=True)),
            introspection=_introspection(table, check),
        )
        if "*" in issuer.subjects:
            table.wrong("subjects", '"*" is everybody', "a narrower pattern, or leave it out")
        if issuer.introspection is not None and opaque:
            table.wrong("introspection", "another issuer has it: an opaque token names none", "one")
        opaque = opaque or issuer.introspection is not None
        urls.check(table, "url", issuer.url)
        urls.check(table, "jwks_url", issuer.jwks_url or "")
        if "?" in issuer.url:
            table.wrong("url", "an issuer has no query (RFC 8414)", '"https://login.example.org"')
        if issuer.leeway > MAXIMUM_LEEWAY:
            table.wrong("leeway", "longer than a minute", '"60s" or less')
        known(table, "algorithms", issuer.algorithms, ALGORITHMS)
        if issuer.url and issuer.url in taken_urls:
            table.wrong("url", f'two issuers have the url "{issuer.url}"', "one table for it")
        taken_urls.add(issuer.url)
        table.finish()
        yield issuer
    if not taken:
        root.wrong("issuers", "missing: no token would be accepted", "a table [[issuers]]")


def _type(word: str) -> str:
    """``none`` stands for a token without ``typ``, as Kubernetes issues them."""
    return "" if word.lower() == "none" else word.lower()


def _introspection(parent: Table, check: bool) -> Introspection | None:
    if "introspection" not in parent:
        return None
    table = parent.table("introspection")
    secret = material.secret(table, "client_secret", check=check)
    if secret is None:
        table.wrong("client_secret", "missing", '{ file = "…" }')
    found = Introspection(
        client_id=table.text("client_id", example='"hoopgate"'),
        client_secret=secret or Secret(),
        url=table.optional_text("url"),
        cache_seconds=table.duration("cache", defaults(Introspection)["cache_seconds"], zero=True),
    )
    urls.check(table, "url", found.url or "")
    if found.cache_seconds > MAXIMUM_CACHE_SECONDS:
        table.wrong("cache", "a revoked token would be taken for too long", '"5m" at most')
    table.finish()
    return found
