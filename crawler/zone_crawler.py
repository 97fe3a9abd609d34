"""The crawler of a zone: asks every node in it, crawl after crawl, and reports who is there. Sans-I/O.

A crawl begins with the nodes known to be in the zone, with bootstrap nodes and with helpers outside. Each node of the
zone is asked for its own ID first: that tells whether it lives, names its nearest neighbours, and shows whether it
hands out the monitor beside it. Then it is asked for slices of its table (questions.slice_targets), or a sample of the
nodes is, once these bring nothing new (sampling.py). In-zone contacts that are new are asked the same; the crawl ends
when no question is left, and the next one begins.

Whoever drives it calls `start`, then `feed` with what arrived, and `tick` when `due` says so; both return the datagrams
to send and the events. What arrives is never trusted and never raises; what is dropped is counted by name.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from crawler.crawl import Census, Crawl, Schedule
from crawler.dispatch import Dispatch
from crawler.entry import Entry
from crawler.events import CrawlDone, Event, OwnView
from crawler.intake import Intake, is_private
from crawler.liveness import Liveness
from crawler.overlay import CrawlMessage, CrawlOverlay
from crawler.pace import Address
from crawler.population import KnownNode, Node, Population
from crawler.questions import Lane, Purpose, Question, slice_targets
from crawler.sampling import Sampling
from crawler.settings import CrawlSettings, nanoseconds
from zone_store.keyspace.zone import Zone

#: A crawl is disturbed if more than one in so many of its packets never left. Not by the first one, or anybody could
#: spoil every crawl by naming more contacts in his own /24 than may be sent to one.
_UNSENT_ONE_IN = 100

#: Known nodes are queued in portions of so many.
_PORTION = 64

Rows = Iterable[tuple[int, int, bytes]]
Output = tuple[list[tuple[int, int, bytes]], list[Event]]


class ZoneCrawler:
    """Crawls a zone back to back. All times are nanoseconds of one clock; IPv4 addresses are host-order integers.

    overlay: the DHT's language; own_id: the ID it queries under (read-only); bootstrap: (ip, port) of nodes to begin
    with, with their IDs if known; rng: its only source of chance; ignore(ip, port): tells our own addresses, which are
    never asked but reported in OwnView. Raises ValueError if no bootstrap node can be asked, or IDs differ in length.

    unsent: tells how many of our packets never left so far (limits, full buffers); for whoever knows to set. A crawl
    disturbed by more than a few estimates no completeness and takes no silence for death.
    counters: losses and oddities by name, ever growing; bootstrapped: False if bootstrap nodes were asked in the last
    crawl that needed them and none answered.
    """

    def __init__(
        self,
        overlay: CrawlOverlay,
        zone: Zone,
        own_id: bytes,
        bootstrap: Sequence[Address] | Mapping[Address, bytes],
        rng: random.Random,
        settings: CrawlSettings | None = None,
        ignore: Callable[[int, int], bool] = lambda _ip, _port: False,
    ) -> None:
        settings = settings or CrawlSettings()
        if not len(own_id) == overlay.id_bytes == zone.id_bytes:
            raise ValueError(f"IDs of {overlay.id_bytes} bytes, but {len(own_id)} in ours, {zone.id_bytes} in the zone")
        private = any(is_private(ip) for ip, _ in bootstrap) if settings.private is None else settings.private
        self.counters: Counter[str] = Counter()
        self.bootstrapped = True
        self.unsent: Callable[[], int] = lambda: 0
        self.own_id = own_id
        self._overlay, self._addressed, self._zone, self._rng = overlay, overlay.addressed, zone, rng
        self._settings, self._ignore = settings, ignore
        self._population = Population(settings)
        self._liveness = Liveness(zone, self._population, settings, self.counters)
        self._intake = Intake(zone, self._population, settings, private, ignore, self.counters)
        usable = [address for address in bootstrap if self._intake.is_usable(address) and not ignore(*address)]
        if not usable:
            raise ValueError("no bootstrap node that can be asked")
        self._entry = Entry(zone, settings, usable, rng, bootstrap if isinstance(bootstrap, Mapping) else {})
        self._sampling = Sampling(settings.sample_share, rng)
        self._dispatch = Dispatch(overlay, own_id, rng, settings, self.counters, self._draw_backlog, self._spare)
        self._backlog: deque[Node] = deque()
        self._probing: set[Address] = set()
        self._crawl: Crawl | None = None
        self._number = 0
        self._replies = 0
        self._unsent_before = 0
        self._was_disturbed = False
        self._schedule = Schedule(settings)
        self._now_ns = 0

    @property
    def nodes(self) -> list[KnownNode]:
        """The nodes of the zone that answer, as of now."""
        return self._population.known()

    def stats(self) -> dict[str, int]:
        """Return the present sizes: what a status line shows beside the counters."""
        return {
            "crawl": self._number,
            "nodes": len(self._population.nodes),
            "contacts": len(self._population.contacts),
            "helpers": len(self._entry),
            "queued": self._dispatch.queued + len(self._backlog),
            "in_flight": self._dispatch.in_flight,
            "bootstrapped": int(self.bootstrapped),
        }

    def start(self, now_ns: int) -> None:
        """Begin: the first crawl starts at the next `tick` or `feed`, at `now_ns` or later."""
        self._schedule.next_ns = now_ns

    def feed(self, now_ns: int, rows: Rows) -> Output:
        """Take datagrams received, (ip, port, payload) each; return datagrams to send and events."""
        self._now_ns = max(self._now_ns, now_ns)
        for ip, port, payload in rows:
            self._receive((ip, port), payload)
        return self._advance()

    def tick(self, now_ns: int) -> Output:
        """Do what is due; return datagrams to send and events."""
        self._now_ns = max(self._now_ns, now_ns)
        return self._advance()

    def due(self, now_ns: int) -> int:
        """Return when `tick` has something to do: `now_ns` if at once, NEVER_NS if never."""
        now_ns = max(self._now_ns, now_ns)
        if self._crawl and self._is_done(self._crawl):
            return now_ns
        next_ns = self._crawl.deadline_ns if self._crawl else self._schedule.next_ns
        dispatch_ns = self._dispatch.due(now_ns) if self._number else None
        return max(now_ns, next_ns if dispatch_ns is None else min(next_ns, dispatch_ns))

    def probe(self, now_ns: int, ip: int, port: int, node_id: bytes) -> None:
        """Ask a node for contacts near its own ID soon; the answer gives OwnView. One at a time for each address."""
        self._now_ns = max(self._now_ns, now_ns)
        address = (ip, port)
        if self._ignore(ip, port) or not self._intake.is_usable(address) or len(node_id) != self._zone.id_bytes:
            self.counters["probe_refused"] += 1
        elif len(self._probing) >= self._settings.max_nodes:
            self.counters["probe_overflow"] += 1
        elif address not in self._probing:
            self._probing.add(address)
            self._queue(Question(address, node_id, Purpose.PROBE, Lane.PROBE, node_id))

    # -- answers

    def _receive(self, address: Address, payload: bytes) -> None:
        message = self._overlay.parse(payload)
        if message.type not in ("reply", "error"):
            self.counters["query_ignored" if message.type == "query" else f"malformed_{message.reason}"] += 1
            return
        if not message.verified and self._population.has_proved(address):
            self.counters["unproved_reply"] += 1
            return
        question = self._dispatch.match(message.transaction, address)
        if question is None:
            return
        self._replies += 1
        if self._crawl:
            self._crawl.replied = True
            self._crawl.bootstrapped |= address in self._entry.bootstrap
        # nobody but whom it was meant for answers an addressed question
        node_id = message.sender_id or (question.node_id if self._addressed else b"")
        if message.type == "error":
            self._answered_badly(question, "error_reply")
        elif len(node_id) != self._zone.id_bytes or node_id == self.own_id:
            self._answered_badly(question, "bad_sender_id")
        else:
            self._answered(question, message, node_id)
        self._close(question)

    def _answered_badly(self, question: Question, name: str) -> None:
        """Take an answer that tells no ID: good enough for the life of a known node, not for finding one."""
        self.counters[name] += 1
        node = self._population.nodes.get(question.address)
        if node is not None:
            self._liveness.refresh(self._now_ns, self._number, node)
        else:
            self._gave_nothing(question)

    def _answered(self, question: Question, message: CrawlMessage, node_id: bytes) -> None:
        now, address = self._now_ns, question.address
        node = self._liveness.answered(now, self._number, address, node_id, message.version, message.verified)
        if node is not None:
            self._entry.entered(address, node_id)
        elif question.purpose is Purpose.ENTRY:
            self._entry.answered(address, node_id)
        is_random = question.is_random
        harvest = self._intake.take(now, address, message.contacts, is_random, message.contact_versions)
        is_asked_for = node is not None or question.purpose is Purpose.PROBE
        if is_asked_for and not is_random and node_id == question.target:
            self._liveness.events.append(OwnView(now, node_id, *address, tuple(harvest.own)))
        if self._crawl is None:
            return
        if question.purpose is Purpose.SLICE:
            self._sampling.answered(bool(harvest.ask))
        if harvest.outside:
            self._entry.offer(harvest.outside)
        for contact in harvest.ask:
            self._ask_own_id(contact, Lane.FRESH)
        if node is None or question.crawl != self._number:
            return
        if question.purpose is Purpose.ENTRY and node.asked != self._number:
            self._ask_own_id(node, Lane.FRESH)
        elif question.purpose is Purpose.OWN_ID and question.left:
            self._ask_on(question, node_id, harvest.neighbours)

    def _ask_on(self, question: Question, node_id: bytes, neighbours: Sequence[bytes]) -> None:
        """Put the further questions to a node that answered to its own ID."""
        address, left = question.address, question.left
        if node_id != question.target:
            # The ID asked for was a claim, or is outdated: the neighbours and our monitor are elsewhere.
            self._push(Question(address, node_id, Purpose.OWN_ID, Lane.FRESH, node_id, self._number, left - 1))
            return
        for target in slice_targets(node_id, neighbours, self._zone, left, self._rng):
            self._push(Question(address, target, Purpose.SLICE, Lane.SLICE, node_id, self._number))

    def _spare(self, question: Question) -> bool:
        """Drop a slice whose turn has come if the crawl needs it no more."""
        if self._sampling.wants():
            return False
        self.counters["slice_spared"] += 1
        self._close(question)
        return True

    # -- silence

    def _timed_out(self, question: Question) -> None:
        self.counters["timeout"] += 1
        if question.crawl and (self._crawl is None or question.crawl != self._number):
            self._close(question)  # its crawl was cut: too few tries to draw a conclusion
        elif question.tries <= self._settings.retries:
            self.counters["retry"] += 1
            self._queue(question)
        else:
            self._gave_nothing(question)
            self._close(question)

    def _gave_nothing(self, question: Question) -> None:
        """Draw the conclusion of a question that brought no usable answer."""
        node = self._population.find(question.address)
        if question.purpose is Purpose.ENTRY:
            self._entry.silent(self._now_ns, question.address)
        elif node is None or question.purpose in (Purpose.PROBE, Purpose.SLICE):
            return
        elif question.address not in self._population.nodes:
            self._population.rest(self._now_ns, node)
        elif question.purpose is Purpose.RECHECK:
            # its packets left after the last crawl, or in it
            if not (self._was_disturbed or self._is_disturbed()):
                self._liveness.rechecked(self._now_ns, node)
        else:
            node.missed = self._number

    # -- questions

    def _ask_own_id(self, node: Node, lane: Lane) -> None:
        self._intake.touch(node)
        node.asked = self._number
        left = self._settings.queries_per_node - 1
        self._push(Question(node.address, node.node_id, Purpose.OWN_ID, lane, node.node_id, self._number, left))

    def _ask_entry(self, crawl: Crawl, address: Address) -> None:
        crawl.entering += 1
        crawl.asked_bootstrap |= address in self._entry.bootstrap
        target, node_id = self._zone.random_id(self._rng), self._entry.id_of(address)
        self._push(Question(address, target, Purpose.ENTRY, Lane.ENTRY, node_id, crawl.number))

    def _ask_candidates(self, crawl: Crawl) -> None:
        """Keep the lookups towards the zone going as long as they are wanted."""
        while self._entry.wants(crawl.entering, self._liveness.answering < crawl.enough):
            address = self._entry.next(self._now_ns)
            if address is None:
                break
            self._ask_entry(crawl, address)

    def _push(self, question: Question) -> None:
        """Queue a question that the crawl under way waits for."""
        if self._crawl:
            self._crawl.open += 1
        self._queue(question)

    def _queue(self, question: Question) -> None:
        self._dispatch.queue(self._now_ns, question)

    def _close(self, question: Question) -> None:
        """Note that nobody waits for a question any more."""
        if question.closed:
            return
        question.closed = True
        if question.purpose is Purpose.PROBE:
            self._probing.discard(question.address)
        elif question.purpose is Purpose.RECHECK:
            node = self._population.find(question.address)
            if node is not None:
                node.rechecking = False
        elif self._crawl and question.crawl == self._crawl.number:
            self._crawl.open -= 1
            self._crawl.entering -= question.purpose is Purpose.ENTRY

    def _draw_backlog(self) -> None:
        """Queue the next portion of the nodes known when the crawl began."""
        drawn = 0
        while self._backlog and drawn < _PORTION:
            node = self._backlog.popleft()
            # It may have been lost, or asked on another way, since.
            if self._population.nodes.get(node.address) is node and node.asked != self._number:
                self._ask_own_id(node, Lane.KNOWN)
                drawn += 1

    # -- crawls

    def _advance(self) -> Output:
        for question in self._dispatch.expire(self._now_ns):
            self._timed_out(question)
        if self._crawl:
            self._ask_candidates(self._crawl)
            if self._is_done(self._crawl) or self._now_ns >= self._crawl.deadline_ns:
                self._end_crawl(self._crawl)
        if self._crawl is None and self._now_ns >= self._schedule.next_ns:
            self._begin_crawl()
        out = self._dispatch.send(self._now_ns) if self._number else []
        return out, self._liveness.take_events()

    def _is_disturbed(self) -> bool:
        """Tell whether too many packets since the end of the last crawl were never sent."""
        return (self.unsent() - self._unsent_before) * _UNSENT_ONE_IN > self._dispatch.queries

    def _is_done(self, crawl: Crawl) -> bool:
        return not crawl.open and not self._backlog

    def _begin_crawl(self) -> None:
        self._number += 1
        self._population.begin(self._number)
        self._intake.begin(self._number)
        self._liveness.begin()
        self._sampling.begin()
        nodes = self._population.nodes
        deadline_ns = self._now_ns + nanoseconds(self._settings.max_crawl_s)
        self._crawl = Crawl(self._number, self._now_ns, deadline_ns, self._entry.enough(len(nodes)))
        self._backlog.extend(nodes.values())
        for address in self._entry.begin(self._now_ns, alone=not nodes or self._schedule.empty > 0):
            self._ask_entry(self._crawl, address)

    def _end_crawl(self, crawl: Crawl) -> None:
        cut = not self._is_done(crawl)
        if cut:
            self.counters["crawl_cut"] += 1
            self.counters["question_cut"] += self._dispatch.drop_crawl() + len(self._backlog)
            self._backlog.clear()
        self._crawl = None
        census = Census.of(self._population.nodes.values(), crawl.number)
        disturbed = self._was_disturbed = self._is_disturbed()
        self._unsent_before = self.unsent()
        if crawl.replied and not disturbed:
            self._recheck(census.silent)
        elif self._population.nodes and not crawl.replied:
            # Silence from everybody says something about our own link, not about them.
            self.counters["blackout"] += 1
        self._population.prune(self._now_ns)
        if crawl.asked_bootstrap:
            self.bootstrapped = crawl.bootstrapped
            if not crawl.bootstrapped:
                self.counters["no_bootstrap_answered"] += 1
        if not self._liveness.answering:
            self.counters["zone_empty"] += 1
        self._schedule.ended(self._now_ns, crawl, alive=self._liveness.answering > 0)
        new, gone, changed = self._liveness.take_counts()
        queries, replies, self._replies = self._dispatch.take_queries(), self._replies, 0
        seen = self._intake.seen
        row = census.row(crawl, self._now_ns, seen, new, gone, changed, queries, replies, disturbed=disturbed)
        self._liveness.events.append(
            CrawlDone(row, census.marked, census.sampled, census.recaptured, census.dark, self.bootstrapped, cut)
        )

    def _recheck(self, silent: Sequence[Node]) -> None:
        ready_ns = self._now_ns + nanoseconds(self._settings.recheck_s)
        for node in silent:
            if self._liveness.missed(node):
                question = Question(node.address, node.node_id, Purpose.RECHECK, Lane.KNOWN, node.node_id)
                self._dispatch.queue(self._now_ns, question, ready_ns)
