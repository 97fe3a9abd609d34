"""Where addresses are, by the user's own MaxMind databases: AS number and country, asked before pseudonyms are made.

A database answers for a whole network, so each network is asked for once, whatever the number of addresses in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import maxminddb
import numpy as np
from numpy.typing import NDArray

from zone_store.run.folder import RunError

UNKNOWN_AS, UNKNOWN_COUNTRY = 0, ""


class Places:
    """AS and country of addresses by databases of the MaxMind format (such as GeoLite2-ASN and GeoLite2-Country).

    The first database that knows an AS, or a country, decides. Without databases all is unknown. Raises RunError for a
    file that is none. To be closed, or used as a context.
    """

    def __init__(self, databases: Sequence[Path]) -> None:
        self._readers: list[Any] = []
        self._codes = [UNKNOWN_COUNTRY]
        # Networks asked for, apart and rising; the first one holds no address, so that there is a row to point at.
        self._start, self._end = np.array([-1], np.int64), np.array([-1], np.int64)
        self._number, self._country = np.array([UNKNOWN_AS], np.uint32), np.array([0], np.intp)
        for path in databases:
            try:
                self._readers.append(maxminddb.open_database(path))
            except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
                self.close()
                raise RunError(f"{path} is no database of places: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the databases."""
        for reader in self._readers:
            reader.close()

    def of(self, addresses: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], list[str]]:
        """Return AS numbers uint32[n] (0: unknown) and ISO country codes ("": unknown) of IPv4 addresses uint32[n].

        Raises RunError for a damaged database.
        """
        distinct, where = np.unique(addresses, return_inverse=True)
        rows, known = self._rows(distinct)
        if not known.all():
            self._learn(distinct[~known].tolist())
            rows, _ = self._rows(distinct)
        codes = np.array(self._codes, object)[self._country[rows]]
        return self._number[rows][where], codes[where].tolist()

    def _rows(self, distinct: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the last network int64[n] that begins at or before each address, and whether it holds the address."""
        rows = np.searchsorted(self._start, distinct, side="right") - 1
        return rows, distinct <= self._end[rows]

    def _learn(self, addresses: list[int]) -> None:
        """Ask for the networks of these addresses, rising, and put them in their places among the known ones."""
        end = -1
        found = []
        for address in addresses:
            if address > end:
                start, end, number, country = self._ask(address)
                if country not in self._codes:
                    self._codes.append(country)
                found.append((start, end, number, self._codes.index(country)))
        start, last, numbers, countries = np.array(found, np.int64).T
        at = np.searchsorted(self._start, start)
        self._start = np.insert(self._start, at, start)
        self._end = np.insert(self._end, at, last)
        self._number = np.insert(self._number, at, numbers)
        self._country = np.insert(self._country, at, countries)

    def _ask(self, address: int) -> tuple[int, int, int, str]:
        """Return the first and last address of which all databases say the same, and what they say."""
        number, country, bits = UNKNOWN_AS, UNKNOWN_COUNTRY, 0
        for reader in self._readers:
            try:
                record, own_bits = reader.get_with_prefix_len(IPv4Address(address))
            except (ValueError, maxminddb.InvalidDatabaseError) as error:
                raise RunError(f"a database of places is damaged: {error}") from None
            bits = max(bits, own_bits)
            number = number or _number(record)
            country = country or _country(record)
        size = 1 << (32 - bits)
        start = address - address % size
        return start, start + size - 1, number, country


def _number(record: Any) -> int:
    number = record.get("autonomous_system_number") if isinstance(record, dict) else None
    return number if isinstance(number, int) and 0 <= number < 1 << 32 else UNKNOWN_AS


def _country(record: Any) -> str:
    """Return where a network is, or, where that is not known, where it is registered."""
    for name in ("country", "registered_country"):
        part = record.get(name) if isinstance(record, dict) else None
        code = part.get("iso_code") if isinstance(part, dict) else None
        if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha():
            return code.upper()
    return UNKNOWN_COUNTRY
