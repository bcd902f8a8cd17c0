"""How much dearer is a decoded, checked and normalised post than msgspec alone?

Prints CPU microseconds a post: msgspec decoding whole chunks into a struct, and our decoder with a
loop over its items, on the same bytes. Rounds are interleaved, so that a change of the machine's
speed strikes both; the medians and their ratio are what counts.

    python benchmarks/bench_decode.py [posts] [rounds]
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec

from streams.codec import PostDecoder, encode_post, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 262_144
START_MS = 1_736_726_400_000
POSTS_A_SECOND = 300
REGIONS = ["CN"] * 88 + ["US"] * 5 + ["TW"] * 4 + ["HK"] * 3
TAGS = [[], [], ["cats"], ["小红书"], ["tiktokrefugee", "cats"]]


class BarePost(msgspec.Struct, gc=False):
    """The fields of a post without any check beyond their types."""

    post_id: str
    created_at: str | int
    user_id: str
    region: str | None = None
    hashtags: list[str] | None = None
    lang: str | None = None
    account_created_at: str | int | None = None


def chunks(posts: int, extra: dict[str, Any], *, fraction_ms: int) -> list[bytes]:
    """Make posts like those of a busy evening, in chunks of whole lines."""
    rng = random.Random(1)  # noqa: S311 - not for secrets
    lines = []
    for number in range(posts):
        ms = START_MS + number * 1000 // POSTS_A_SECOND // fraction_ms * fraction_ms
        region = rng.choice(REGIONS)
        post = {
            "post_id": f"{number:016x}",
            "created_at": rfc3339(ms),
            "user_id": f"u{rng.getrandbits(48):012x}",
            "region": region,
            "hashtags": rng.choice(TAGS),
            "lang": "zh" if region == "CN" else "en",
            "account_created_at": "2024-11-03T10:00:00Z",
        }
        lines.append(encode_post(post | extra))
    data = b"\n".join(lines) + b"\n"
    made, start = [], 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + CHUNK_BYTES) + 1
        made.append(data[start:end])
        start = end
    return made


def bare(data: list[bytes]) -> None:
    """Decode with msgspec, and loop."""
    decoder = msgspec.json.Decoder(BarePost)
    for chunk in data:
        for _post in decoder.decode_lines(chunk):
            pass


def ours(data: list[bytes]) -> None:
    """Decode with our decoder, and loop over the parts of each item."""
    decoder = PostDecoder()
    for chunk in data:
        for piece in decoder.decode_chunk(chunk).pieces():
            for item in piece.items:
                if type(item) is tuple:
                    _ms, _region, _lang, _post = item


def poisoned(data: list[bytes]) -> list[bytes]:
    """Put one line that is no JSON into each chunk of about 1,400."""
    return [chunk + b"garbage\n" for chunk in data]


def main(posts: int = 100_000, rounds: int = 9) -> None:
    """Measure each kind of log and print one line for it."""
    plain = chunks(posts, {}, fraction_ms=1000)
    logs = {
        "whole seconds": plain,
        "milliseconds": chunks(posts, {}, fraction_ms=1),
        "one other field": chunks(posts, {"text": "你好 hello"}, fraction_ms=1000),
        "one bad line a chunk": poisoned(plain),
    }
    takers: list[tuple[str, Callable[[list[bytes]], None]]] = [("bare", bare), ("ours", ours)]
    print(f"{posts} posts, {rounds} rounds; CPU µs a post, medians")
    for name, data in logs.items():
        spent: dict[str, list[float]] = {"bare": [], "ours": []}
        for _ in range(rounds):
            for taker, take in takers:
                # msgspec alone would stop at a bad line
                given = plain if taker == "bare" and data[0].endswith(b"garbage\n") else data
                begun = time.process_time()
                take(given)
                spent[taker].append((time.process_time() - begun) / posts * 1e6)
        alone, whole = statistics.median(spent["bare"]), statistics.median(spent["ours"])
        print(f"{name:22} bare {alone:.3f}  ours {whole:.3f}  ratio {whole / alone:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
