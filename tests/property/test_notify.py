"""Whatever happens, and whenever the notifier is killed, routes are told the same."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.notify import Book, Notification, Outcome, Reason, encode_told
from tests.unit.streams.notify.made import HOUR, MINUTE, T0, ack, book, incident, route, silence

ROUTES = (
    route(),
    route("severe", severity_min="critical", repeat_ms=HOUR),
    route("night", quiet_hours="01:00-03:00", group_window_ms=30_000),
)
NAMES = ("in-0000000000000000", "in-1111111111111111")


class Step(NamedTuple):
    """Something that happens, some time after what was before."""

    what: str
    name: str
    users: int
    minutes: int
    severity: str


def steps(*kinds: str, minutes_max: int) -> st.SearchStrategy[list[Step]]:
    """What may happen, in any order."""
    return st.lists(
        st.builds(
            Step,
            st.sampled_from(kinds),
            st.sampled_from(NAMES),
            st.integers(1, 200),
            st.integers(0, minutes_max),
            st.sampled_from(["info", "warning", "critical"]),
        ),
        max_size=30,
    )


STEPS = steps("rise", "peak", "close", "ack", "unack", "silence", "wait", minutes_max=90)


class World:
    """What is on the topics, and what was delivered."""

    def __init__(self) -> None:
        self.now = T0
        self.alerts: list[bytes] = []
        self.said: list[bytes] = []
        self.told: list[bytes] = []
        self.open: dict[str, bool] = {}
        self.sent: list[Notification] = []
        self.book = book(*ROUTES)

    def happen(self, step: Step) -> None:
        """One step."""
        self.now += step.minutes * MINUTE
        name = step.name
        if step.what in ("rise", "peak", "close") and self.open.get(name, True):
            kinds = {"peak": "peaked", "close": "closed"}
            kind = kinds.get(step.what, "updated") if name in self.open else "opened"
            self.open[name] = kind != "closed"
            raw = incident(kind, self.now, step.users, severity=step.severity, incident_id=name)
            self.book.alert(raw, len(self.alerts), self.now)
            self.alerts.append(raw)
        elif step.what in ("ack", "unack") and self.open.get(name, True):
            self._say(ack(self.now, step.users, withdrawn=step.what == "unack", name=name))
        elif step.what == "silence":
            self._say(silence(self.now, self.now + step.users * MINUTE, ("region", "*")))

    def _say(self, raw: bytes) -> None:
        self.book.said(raw, self.now)
        self.said.append(raw)

    def deliver(self, most: int | None = None) -> None:
        """Deliver what is due; after ``most`` deliveries be killed before it is written down."""
        for _ in range(100):
            due = [one for some in self.book.due(self.now).values() for one in some]
            if not due:
                later = self.book.next_ms(self.now)
                if later is None or later > self.now + MINUTE:
                    return
                self.now = later
            for one in due:
                self.sent.append(one)
                if most is not None and len(self.sent) >= most:
                    self.restart()
                    self.deliver()
                    return
                self.told.append(encode_told(self.book.record(one, Outcome.DELIVERED, self.now)))
        raise AssertionError("there is always something due")

    def restart(self) -> None:
        """Begin anew from what is on the topics."""
        self.book = book(*ROUTES)
        for offset, raw in enumerate(self.alerts):
            self.book.alert(raw, offset, self.now)
        for raw in self.said:
            self.book.said(raw, self.now)
        for raw in self.told:
            self.book.told(raw)


def keys(sent: list[Notification]) -> list[tuple[str, str, bool]]:
    return [(one.route, one.key, one.firing) for one in sent]


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_each_end_follows_a_beginning_and_nothing_is_told_without_a_reason(
    steps: list[Step],
) -> None:
    """Of each route and incident: told to go on, then at most once to be over, then nothing."""
    world = World()
    for step in steps:
        world.happen(step)
        world.deliver()
    world.now += 48 * HOUR
    world.deliver()
    for name in {one.route for one in world.sent}:
        for key in NAMES:
            mine = [one for one in world.sent if (one.route, one.key) == (name, key)]
            firing = [one.firing for one in mine]
            assert firing == sorted(firing, reverse=True)
            assert firing.count(False) <= 1
            offsets = [
                e.offset for one in mine if one.reason is not Reason.REPEATED for e in one.events
            ]
            assert offsets == sorted(set(offsets)), "each alert once"
            if firing and world.open[key] is False:
                assert firing[-1] is False, "what was raised is resolved"


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, killed=st.integers(1, 12))
def test_a_kill_before_it_is_written_down_repeats_one_delivery_and_loses_none(
    steps: list[Step], killed: int
) -> None:
    """With the same key, so that the destination knows it again."""
    plain, shot = World(), World()
    for step in steps:
        plain.happen(step)
        plain.deliver()
        shot.happen(step)
        shot.deliver(killed if len(shot.sent) < killed else None)
    for world in (plain, shot):
        world.now += 48 * HOUR
        world.deliver()
    assert set(keys(plain.sent)) == set(keys(shot.sent))


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, again=st.integers(1, 3))
def test_what_comes_again_changes_nothing(steps: list[Step], again: int) -> None:
    """Records that are read again are known already."""
    world = World()
    for step in steps:
        world.happen(step)
        world.deliver()
    before = len(world.sent)
    for _ in range(again):
        for offset, raw in enumerate(world.alerts):
            if any(raw == e.raw for s in world.book.subjects.values() for e in s.events):
                world.book.alert(raw, offset, world.now)
        for raw in world.told:
            world.book.told(raw)
    world.deliver()
    assert len(world.sent) == before


def news(sent: list[Notification]) -> list[tuple[str, str, bool, tuple[int, ...]]]:
    """What was told of what. A book that was begun anew does not know what it kept back before."""
    return [(o.route, o.key, o.firing, tuple(e.offset for e in o.events)) for o in sent]


@settings(max_examples=200, deadline=None)
@given(steps=STEPS | steps("rise", "close", "silence", minutes_max=20))
def test_whoever_starts_anew_tells_the_same(steps: list[Step]) -> None:
    """Between deliveries a restart changes nothing, whatever was silenced or quiet meanwhile."""
    plain, anew = World(), World()
    for step in steps:
        for world in (plain, anew):
            world.happen(step)
            world.deliver()
        anew.restart()
    for world in (plain, anew):
        world.now += 48 * HOUR
        world.deliver()
    assert news(plain.sent) == news(anew.sent)


def test_books_know_their_routes() -> None:
    """The worlds above have something to tell."""
    assert [one.name for one in Book(book(*ROUTES).notify, "x").notify.routes] == [
        "oncall",
        "severe",
        "night",
    ]
