"""From captured copies to lookups with a destination."""

from zone_store.attribution.attribute import attribute
from zone_store.attribution.store import LookupSummary, write_lookups

__all__ = ["LookupSummary", "attribute", "write_lookups"]
