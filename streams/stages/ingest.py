"""Stage one: posts of one source partition become partials of closed buckets.

What is emitted of a bucket depends on that bucket's own posts and on the partition's clock, and
on nothing else, so a worker that starts again emits the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from detectors.series import canonical_hashtag
from streams.codec import PlainPost, Remembered, account_created_ms, first_bytes
from streams.events import Closed, Early, Intake, Partials, Reject, Tick
from streams.stages.cells import OpenBucket
from streams.stages.pseudonym import Pseudonyms
from streams.stages.watermark import Held, Watermark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from detectors.origin import Origin
    from streams.codec import Batch, Decoded, Piece, PostItem

_KNOWN_MAX = 32_768
_LANGS_MAX = 1_000
_STATE = ("intake", "mark", "first_ms", "_buckets", "_through", "_langs")
_FUTURE = "no five users confirm a time more than time.max_jump ahead of the log"


@dataclass(frozen=True, slots=True)
class IngestParams:
    """What shapes the ingest stage; see the settings of the same names."""

    bucket_ms: int
    allowed_lateness_ms: int
    max_jump_ms: int
    hashtags_per_post: int
    hashtag_length: int
    held_posts: int
    rows_per_series: int
    series_per_bucket: int


class Ingest:
    """The stage for one source partition.

    Args:
        partition: its number.
        source: name of its log or topic, for rejects.
        params: see there.
        origin: who is foreign.
        user_key: key of the user hash.
        reject: called with each record that is rejected.
    """

    def __init__(
        self,
        partition: int,
        source: str,
        params: IngestParams,
        origin: Origin,
        user_key: bytes,
        reject: Callable[[Reject], None],
    ) -> None:
        self.partition = partition
        self.source = source
        self.params = params
        self.origin = origin
        self.intake = Intake()
        self.mark = Watermark(params.max_jump_ms, params.held_posts)
        self._pseudonyms = Pseudonyms(user_key)
        self._reject = reject
        self._buckets: dict[int, OpenBucket] = {}
        self._through: int | None = None
        self.first_ms: int | None = None
        self._langs: dict[str, int] = {"": 0}
        self._known = Remembered(self._canonical, _KNOWN_MAX, params.hashtag_length)
        self._ages = Remembered(account_created_ms, _KNOWN_MAX)

    @property
    def clock_ms(self) -> int | None:
        """Event time that the partition has reached."""
        return self.mark.clock_ms

    def feed(self, batch: Batch | Decoded) -> Iterator[Partials | Closed]:
        """Take records in their order; yields what closes."""
        for piece in batch.pieces():
            if not self._take_at_once(piece):
                yield from self._take_each(piece)

    def _take_at_once(self, piece: Piece) -> bool:
        """Take posts of which none is held, late, or closes a bucket; false if any might be.

        This is the product's hottest loop: nine posts in ten are from home and leave it after
        two comparisons.
        """
        limit, floor, due = self._bounds()
        if piece.span is None:
            return False
        earliest, latest = piece.span
        if earliest < floor or latest >= due or latest > limit:
            return False
        home_regions, home_languages = self.origin.home_regions, self.origin.home_languages
        foreign = [
            (time_ms, region, lang, raw)
            for time_ms, region, lang, raw in cast("list[PostItem]", piece.items)
            if region not in home_regions and lang not in home_languages
        ]
        self.intake.posts += len(piece.items)
        self.intake.home += len(piece.items) - len(foreign)
        self._foreign(foreign)
        self.mark.reach(latest)
        return True

    def _take_each(self, piece: Piece) -> Iterator[Partials | Closed]:
        """Take records one by one, looking at the clock after each."""
        mark, intake = self.mark, self.intake
        limit, floor, due = self._bounds()
        for number, item in enumerate(piece.items):
            if type(item) is tuple:
                intake.posts += 1
                if item[0] <= limit:
                    mark.reach(item[0])
                    self._count(item, floor)
                    if (mark.clock_ms or 0) < due:
                        continue
                elif not self._hold(item, piece.positions[number], piece.lines[number]):
                    continue
            elif isinstance(item, Tick):
                if item.end:
                    yield from self.end(item.event_time_ms)
                else:
                    mark.tick(item.event_time_ms)
            else:
                self.refuse(cast("Reject", item))
                continue
            yield from self._catch_up()
            limit, floor, due = self._bounds()

    def _count(self, item: PostItem, floor: int) -> None:
        """Count a post that is not held."""
        time_ms, region, lang, _ = item
        if time_ms < floor:
            self.intake.late += 1
        elif self.origin.is_foreign(region, lang):
            self._foreign([item])
        else:
            self.intake.home += 1

    def tick(self, time_ms: int) -> Iterator[Partials | Closed]:
        """Take a marker that is not in the log: event time has reached ``time_ms`` elsewhere."""
        self.mark.tick(time_ms)
        yield from self._catch_up()

    def early(self) -> Iterator[Early]:
        """Posts of the open buckets that were not told early before."""
        langs = list(self._langs)
        for bucket, open_bucket in sorted(self._buckets.items()):
            partials = open_bucket.untold(self.partition, bucket, langs)
            if partials is not None:
                yield Early(partials)

    def end(self, time_ms: int | None) -> Iterator[Partials | Closed]:
        """The logs have ended at ``time_ms``: close every bucket, reject what is still held.

        Where it was a marker that said so, and another log follows, its posts are taken as ever.
        """
        if time_ms is not None:
            self.mark.finish(time_ms)
            yield from self._catch_up()
            yield from self._close_through(time_ms // self.params.bucket_ms)
        for held in self.mark.drained():
            self._refuse_held(held)

    # -- state -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that was learned from the records so far; not to be changed."""
        state = {name: getattr(self, name) for name in _STATE}
        return state | {"mark": self.mark.kept(_plain)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the state of another stage, under this one's own settings."""
        for name in _STATE:
            setattr(self, name, state[name])
        self.mark.max_jump_ms = self.params.max_jump_ms
        self.mark.held_max = self.params.held_posts
        for bucket in self._buckets.values():
            bucket.rows_max = self.params.rows_per_series
            bucket.series_max = self.params.series_per_bucket

    # -- clock -----------------------------------------------------------------------------------

    def _bounds(self) -> tuple[int, int, int]:
        """Latest time not held, earliest time not late, and clock at which a bucket closes."""
        if self._through is None:
            return self.mark.limit_ms, -(1 << 62), -(1 << 62)
        size = self.params.bucket_ms
        end = (self._through + 1) * size
        return self.mark.limit_ms, end, end + size + self.params.allowed_lateness_ms

    def _hold(self, item: PostItem, position: int, line: bytes) -> bool:
        """Hold a post ahead of the clock; true when that confirmed others."""
        kept = (item, position, line)
        self.intake.held += 1
        confirmed = self.mark.hold(item[0], item[3].user_id, kept, len(line))
        for held in self.mark.pushed_out():
            self._refuse_held(held)
        return confirmed

    def _catch_up(self) -> Iterator[Partials | Closed]:
        """Release held posts, then close what the clock has passed."""
        mark = self.mark
        released = mark.released()
        if self._through is None and mark.base_ms is not None:
            self._begin(min([mark.base_ms, *(held.time_ms for held in released)]))
        floor = self._bounds()[1]
        for held in released:
            mark.reach(held.time_ms)
            self.intake.held -= 1
            self._count(held.item[0], floor)
        if mark.clock_ms is not None:
            through = (mark.clock_ms - self.params.allowed_lateness_ms) // self.params.bucket_ms - 1
            yield from self._close_through(through)

    def _begin(self, start_ms: int) -> None:
        """Start the partition at its earliest post.

        That may be a stray one, years old: the detect stage, which sees all partitions, does not
        count a silence for the log's age that its first posts do not account for.
        """
        self.first_ms = start_ms
        self._through = (start_ms - self.params.allowed_lateness_ms) // self.params.bucket_ms - 1

    def _close_through(self, through: int) -> Iterator[Partials | Closed]:
        if self._through is not None and through <= self._through:
            return
        for bucket in sorted(b for b in self._buckets if b <= through):
            open_bucket = self._buckets.pop(bucket)
            partials = open_bucket.close(self.partition, bucket, list(self._langs))
            self.intake.series_dropped += open_bucket.dropped
            yield partials
        self._through = through
        if len(self._langs) >= _LANGS_MAX and not self._buckets:
            self._langs = {"": 0}
        yield Closed(self.partition, through, self.intake.snapshot())

    # -- posts -----------------------------------------------------------------------------------

    def _foreign(self, items: list[PostItem]) -> None:
        """Add foreign posts to their buckets."""
        size, intake, langs, ages = self.params.bucket_ms, self.intake, self._langs, self._ages
        pseudonyms, age_flags = self._pseudonyms, self.origin.age_flags
        for time_ms, region, lang, raw in items:
            bucket = time_ms // size
            open_bucket = self._buckets.get(bucket) or self._open(bucket)
            user = pseudonyms[raw.user_id]
            post = pseudonyms.hash(raw.post_id) ^ user
            if post in open_bucket.posts:
                intake.duplicate += 1
                continue
            intake.foreign += 1
            number = langs.get(lang)
            if number is None:
                number = langs[lang] = len(langs) if len(langs) < _LANGS_MAX else 0
            made_ms = ages[raw.account_created_at]
            tags = self._hashtags(raw.hashtags) if raw.hashtags else ()
            row = (user, post, number, age_flags(made_ms, time_ms))
            open_bucket.add(row, region, tags)

    def _open(self, bucket: int) -> OpenBucket:
        new = OpenBucket(self.params.rows_per_series, self.params.series_per_bucket)
        self._buckets[bucket] = new
        return new

    def _hashtags(self, hashtags: list[str]) -> list[str]:
        """The canonical hashtags of a post, each once, and no more than allowed."""
        known, allowed = self._known, self.params.hashtags_per_post
        tags: list[str] = []
        for raw in hashtags:
            tag = known[raw]
            if not tag or tag in tags:
                continue
            if len(tags) < allowed:
                tags.append(tag)
            else:
                self.intake.hashtags_dropped += 1
        return tags

    def _canonical(self, raw: str) -> str:
        """A hashtag in its canonical form; empty when nothing visible is left."""
        length = self.params.hashtag_length
        # Cut here already: the function below remembers what it is given.
        return canonical_hashtag(raw[:length], length) or ""

    def refuse(self, reject: Reject) -> None:
        """Count a record that cannot be used, and pass it on."""
        self.intake.reject(reject.reason)
        self._reject(reject)

    def _refuse_held(self, held: Held) -> None:
        _, position, line = held.item
        self.intake.posts -= 1
        self.intake.held -= 1
        self.refuse(Reject("future", _FUTURE, self.source, position, first_bytes(line)))


def _plain(item: tuple[PostItem, int, bytes]) -> tuple[PostItem, int, bytes]:
    """What is held of a post, in a form that can be written down."""
    (time_ms, region, lang, post), position, line = item
    return (time_ms, region, lang, PlainPost.of(post)), position, line
