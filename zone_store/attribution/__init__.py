"""From captured copies to lookups with a destination."""

from zone_store.attribution.attribute import RULE, attribute
from zone_store.attribution.store import LookupSummary, attribute_into, write_lookups
from zone_store.attribution.workers import workers_for

__all__ = ["RULE", "LookupSummary", "attribute", "attribute_into", "workers_for", "write_lookups"]
