"""What pseudonyms and left-out counts protect from, and what they do not: told with every export."""

from __future__ import annotations

PROTECTS = (
    "No address, port or node ID of a requester, and no address or node ID of a monitored node, is in these files.",
    "Without the key no pseudonym can be turned into an address by computing: each trial needs the key, so that no "
    "list of all addresses can be tried. Ports are permuted within each address by the same key. Pseudonyms made with "
    "different keys have nothing in common.",
    "A key, a client and a place (country and AS) that fewer than k addresses share are blanked in rows about single "
    "lookups; rows of counts about fewer than k requesters are left out.",
    "Times in rows about single lookups are rounded down to whole seconds, and rows of one second are in no order of "
    "arrival.",
    "Node lookups and the upkeep of tables are left out: their keys are or tell IDs of nodes.",
)
"""What the files keep hidden, in sentences."""

DOES_NOT_PROTECT = (
    "Who holds the run folder: its store has the addresses. To publish, give away the export only; to be rid of the "
    "addresses, delete the run folder, too. Destroying the key alone hides nothing from who has the store.",
    "Who has the key: all addresses can be tried in less than an hour.",
    "Who took part, by timing: whoever sent lookups of their own during the window, or saw somebody's packets, finds "
    "them again by time and key, and so learns the pseudonym of that address, and all else that it asked for in this "
    "run. Rounded times make this harder, not impossible.",
    "Neighbours of a known address: pseudonyms keep prefixes, so whoever knows one address and its pseudonym knows of "
    "each other pseudonym how many leading bits its address shares with the known one. Many known addresses, or the "
    "sizes of networks, narrow others down.",
    "Places: where AS and country are told, an address can only be one of that AS's, which may be few, and the prefix "
    "of its pseudonym stands for one of the AS's networks.",
    "Habits: all lookups of one requester within a run carry one pseudonym. What somebody looks for, and when, can "
    "name a person without any address. A shared key carries this over all runs it is used for.",
    "Small groups after all: each of key, client and place is shared by k addresses, their combination may not be. "
    "Several addresses may be one person's, and whoever asked for a rare key from k - 1 addresses of their own has it "
    "shown.",
    "Counts: rows left out are counted, and totals elsewhere tell how much they come to together. What a row was about "
    "is hidden, not that it is there.",
    "Several exports of one run: rows can be joined by their times and keys, whatever the key of pseudonyms, so that "
    "one shows what another blanks.",
    "What keys say: an info-hash or keyword hash that is public names its content.",
    "Which nodes were monitored: a node has a number only, but the keys that end at it tell where in the ID space it "
    "is; whoever crawled the zone at the time can tell which node that was. No requester is named by it.",
)
"""What the files do not keep hidden, and from whom, in sentences."""
