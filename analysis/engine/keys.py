"""One row for each key: what was asked of it, how often and by how many."""

from __future__ import annotations

from zone_store.captures import Flag

INFO_HASH, UNKNOWN = "info_hash", "unknown"
"""Sorts of a key that nothing tells: where all keys are info-hashes, and elsewhere."""

_ASKS = "what IN ('lookup', 'search', 'publish')"


def make_keys(sort: str) -> str:
    """Return the SQL that makes the rows of `keys` from `users` and `sorts`, in order of keys.

    sort: of keys that `sorts` does not tell. Requesters are counted by grouping twice, because groups can go to disk
    and sets for each key cannot.
    """
    return f"""
WITH pairs AS (
    SELECT key, requester,
        count(*) FILTER ({_ASKS})::UINTEGER AS lookups,
        count(*) FILTER (what = 'search')::UINTEGER AS searches,
        count(*) FILTER (what = 'publish')::UINTEGER AS publishes,
        count(*) FILTER (what = 'announce')::UINTEGER AS announces,
        count(*) FILTER ({_ASKS} AND flags & {int(Flag.NO_SEED)} <> 0)::UINTEGER AS no_seed,
        min(time_ns) AS first_ns,
        max(time_ns) AS last_ns
    FROM users WHERE {_ASKS} OR what = 'announce' GROUP BY key, requester
)
SELECT key, coalesce(any_value(sorts.sort), '{sort}') AS sort,
    sum(lookups)::BIGINT AS lookups,
    sum(searches)::BIGINT AS searches,
    sum(publishes)::BIGINT AS publishes,
    sum(announces)::BIGINT AS announces,
    sum(no_seed)::BIGINT AS no_seed,
    count(*) FILTER (lookups > 0) AS requesters,
    count(*) FILTER (searches > 0) AS searchers,
    count(*) FILTER (publishes > 0 OR announces > 0) AS publishers,
    min(first_ns) AS first_ns,
    max(last_ns) AS last_ns
FROM pairs LEFT JOIN sorts USING (key) GROUP BY key ORDER BY key"""
