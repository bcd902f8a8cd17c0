"""Stage one: posts of one source partition become partials of closed buckets.

What is emitted of a bucket depends on that bucket's own posts and on the partition's clock, and
on nothing else, so a worker that starts again emits the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from detectors.origin import TAGS_SHIFT, Origin
from detectors.series import canonical_hashtag, hashtag_key, pair_key, region_key
from streams.codec import Batch, PostItem, RawPost, account_created_ms
from streams.events import Closed, Intake, Partials, Reject, Tick
from streams.stages.cells import OpenBucket
from streams.stages.pseudonym import Pseudonyms
from streams.stages.watermark import CONFIRM_SPAN_MS, Held, Watermark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KNOWN_MAX = 32_768
_TAGS_MAX = 63
_LANGS_MAX = 1_000
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
        self._known: dict[str, dict[str, tuple[str, str]]] = {}
        self._known_count = 0

    @property
    def clock_ms(self) -> int | None:
        """Event time that the partition has reached."""
        return self.mark.clock_ms

    def feed(self, batch: Batch) -> Iterator[Partials | Closed]:
        """Take records in their order; yields what closes.

        The loop is the product's hottest: nine posts in ten are from home and leave it after
        three comparisons.
        """
        mark, intake = self.mark, self.intake
        home_regions = self.origin.home_regions
        home_languages = self.origin.home_languages
        limit, floor, due = self._bounds()
        clock = mark.clock_ms if mark.clock_ms is not None else -1
        posts = home = 0
        for item in batch:
            if type(item) is tuple:
                time_ms, region, lang, raw = item
                if time_ms <= limit:
                    posts += 1
                    clock = max(clock, time_ms)
                    if time_ms < floor:
                        intake.late += 1
                    elif region in home_regions or lang in home_languages:
                        home += 1
                    else:
                        self._foreign(time_ms, region, lang, raw)
                    if clock < due:
                        continue
                    mark.clock_ms = clock
                elif not self._hold(item, batch):
                    continue
                else:
                    mark.clock_ms = clock if clock >= 0 else mark.clock_ms
            else:
                mark.clock_ms = clock if clock >= 0 else None
                if isinstance(item, Tick):
                    mark.tick(item.event_time_ms)
                elif isinstance(item, Reject):
                    self.refuse(item)
                    continue
            intake.posts += posts
            intake.home += home
            posts = home = 0
            yield from self._catch_up()
            limit, floor, due = self._bounds()
            clock = mark.clock_ms if mark.clock_ms is not None else -1
        intake.posts += posts
        intake.home += home
        mark.clock_ms = clock if clock >= 0 else None

    def tick(self, time_ms: int) -> Iterator[Partials | Closed]:
        """Take a marker that is not in the log: event time has reached ``time_ms`` elsewhere."""
        self.mark.tick(time_ms)
        yield from self._catch_up()

    def end(self, time_ms: int | None) -> Iterator[Partials | Closed]:
        """The logs have ended at ``time_ms``: close every bucket, reject what is still held."""
        if time_ms is not None:
            self.mark.finish(time_ms)
            yield from self._catch_up(at_end=True)
            yield from self._close_through(time_ms // self.params.bucket_ms)
        for held in self.mark.drained():
            self._refuse_held(held)

    # -- clock -----------------------------------------------------------------------------------

    def _bounds(self) -> tuple[int, int, int]:
        """Latest time not held, earliest time not late, and clock at which a bucket closes."""
        if self._through is None:
            return self.mark.limit_ms, -(1 << 62), -(1 << 62)
        size = self.params.bucket_ms
        end = (self._through + 1) * size
        return self.mark.limit_ms, end, end + size + self.params.allowed_lateness_ms

    def _hold(self, item: PostItem, batch: Batch) -> bool:
        """Hold a post ahead of the clock; true when that confirmed others."""
        time_ms, _, _, raw = item
        self.intake.posts += 1
        confirmed = self.mark.hold(time_ms, raw.user_id, (item, batch.position, batch.raw))
        for held in self.mark.pushed_out():
            self._refuse_held(held)
        return confirmed

    def _catch_up(self, *, at_end: bool = False) -> Iterator[Partials | Closed]:
        """Release held posts, then close what the clock has passed."""
        mark = self.mark
        released = mark.released()
        if self._through is None and mark.base_ms is not None:
            self._begin([held.time_ms for held in released], mark.base_ms, at_end=at_end)
        floor = self._bounds()[1]
        for held in released:
            time_ms, region, lang, raw = held.item[0]
            if mark.clock_ms is None or time_ms > mark.clock_ms:
                mark.clock_ms = time_ms
            if time_ms < floor:
                self.intake.late += 1
            elif self.origin.is_foreign(region, lang):
                self._foreign(time_ms, region, lang, raw)
            else:
                self.intake.home += 1
        if mark.clock_ms is not None:
            through = (mark.clock_ms - self.params.allowed_lateness_ms) // self.params.bucket_ms - 1
            yield from self._close_through(through)

    def _begin(self, times: list[int], base_ms: int, *, at_end: bool) -> None:
        """Start the partition at the first post of the run that led to its first base.

        A post more than a day before the next is stray, and late: it must not make the log seem
        years old. At the end of a log that five users never confirmed, all posts are taken.
        """
        start = base_ms
        for time_ms in reversed(times):
            if start - time_ms > CONFIRM_SPAN_MS and not at_end:
                break
            start = min(start, time_ms)
        self.first_ms = start
        self._through = (start - self.params.allowed_lateness_ms) // self.params.bucket_ms - 1

    def _close_through(self, through: int) -> Iterator[Partials | Closed]:
        if self._through is not None and through <= self._through:
            return
        for bucket in sorted(b for b in self._buckets if b <= through):
            open_bucket = self._buckets.pop(bucket)
            self.intake.series_dropped += open_bucket.dropped
            yield open_bucket.close(self.partition, bucket, list(self._langs))
        self._through = through
        if len(self._langs) >= _LANGS_MAX and not self._buckets:
            self._langs = {"": 0}
        yield Closed(self.partition, through, self.intake.snapshot())

    # -- posts -----------------------------------------------------------------------------------

    def _foreign(self, time_ms: int, region: str, lang: str, raw: RawPost) -> None:
        params = self.params
        bucket = time_ms // params.bucket_ms
        open_bucket = self._buckets.get(bucket)
        if open_bucket is None:
            open_bucket = OpenBucket(params.rows_per_series, params.series_per_bucket)
            self._buckets[bucket] = open_bucket
        user = self._pseudonyms[raw.user_id]
        post = self._pseudonyms.hash(raw.post_id) ^ user
        if post in open_bucket.all:
            self.intake.duplicate += 1
            return
        self.intake.foreign += 1
        keys = self._series_of(region, raw.hashtags) if raw.hashtags else [region_key(region)]
        tags = len(keys) // 2
        number = self._langs.get(lang)
        if number is None:
            number = self._langs[lang] = len(self._langs) if len(self._langs) < _LANGS_MAX else 0
        age = self.origin.age_flags(account_created_ms(raw.account_created_at), time_ms)
        open_bucket.add(keys, (user, post, number, age | min(tags, _TAGS_MAX) << TAGS_SHIFT))

    def _series_of(self, region: str, hashtags: list[str]) -> list[str]:
        """Keys of a post's series besides ``all``: its region, then two for each hashtag."""
        known = self._known.get(region)
        if known is None:
            known = self._known[region] = {}
        keys = [region_key(region)]
        keys_max = 2 * self.params.hashtags_per_post
        for raw in hashtags:
            pair = known.get(raw)
            if pair is None:
                pair = self._learn_hashtag(region, raw)
            hashtag, regional = pair
            if not hashtag or hashtag in keys:
                continue
            if len(keys) > keys_max:
                self.intake.hashtags_dropped += 1
            else:
                keys.append(hashtag)
                keys.append(regional)
        return keys

    def _learn_hashtag(self, region: str, raw: str) -> tuple[str, str]:
        """Keys of a hashtag and of its pair, remembered; empty when nothing visible is left."""
        length = self.params.hashtag_length
        # Cut here already: the function below remembers what it is given.
        tag = canonical_hashtag(raw[:length], length)
        pair = ("", "") if tag is None else (hashtag_key(tag), pair_key(region, tag))
        if len(raw) <= length:
            if self._known_count >= _KNOWN_MAX:
                self._known, self._known_count = {region: {}}, 0
            self._known_count += 1
            self._known.setdefault(region, {})[raw] = pair
        return pair

    def refuse(self, reject: Reject) -> None:
        """Count a record that cannot be used, and pass it on."""
        self.intake.reject(reject.reason)
        self._reject(reject)

    def _refuse_held(self, held: Held) -> None:
        _, position, raw = held.item
        self.intake.posts -= 1
        self.refuse(Reject("future", _FUTURE, self.source, position, raw))
