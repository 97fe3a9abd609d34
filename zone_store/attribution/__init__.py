"""From captured copies to lookups with a destination."""

from zone_store.attribution.attribute import RULE, attribute
from zone_store.attribution.store import LookupSummary, attribute_into, write_lookups

__all__ = ["RULE", "LookupSummary", "attribute", "attribute_into", "write_lookups"]
