"""Whom a client certificate names. That it is valid was settled in the TLS handshake."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

from hoopgate.errors import IdentityRefused
from hoopgate.events import Principal


def names(certificate: bytes) -> frozenset[str]:
    """Common names and alternative names (DNS, e-mail, URI) of a certificate, DER; none when it
    cannot be read."""
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        found = {
            attribute.value
            for attribute in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            if isinstance(attribute.value, str)
        }
        alternatives = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset(found)
    except ValueError:
        return frozenset()
    for kind in (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier):
        found.update(alternatives.get_values_for_type(kind))
    return frozenset(found)


def require_same(certificate: bytes | None, principal: Principal) -> None:
    """A stolen token is of no use with somebody else's certificate, nor the other way round.

    :raises IdentityRefused: the certificate does not name the token's subject.
    """
    if certificate is None or principal.subject not in names(certificate):
        raise IdentityRefused(
            "identity.certificate", "the client certificate is not that of the token's subject"
        )
