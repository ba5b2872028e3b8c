"""Makes ``twistd hoopgate`` known. Light on purpose: every ``twistd`` on the machine imports it."""

from twisted.application.service import ServiceMaker

hoopgate = ServiceMaker(
    "hoopgate",
    "hoopgate.tap",
    "Access gateway for agents on systems that hold PHI",
    "hoopgate",
)
