"""hoopgate: the access gateway that stands between agents and systems that hold PHI."""

__version__ = "0.1.0"
