"""Replays a simulated world in memory and prints when each incident was first known.

python examples/first_alerts.py
"""

from __future__ import annotations

import io

from streams.logs import LineLog
from streams.replay import Replay
from streams.settings import from_table
from streams.simulate import simulate


def main() -> None:
    """A wave under one hashtag over thirty countries, none remarkable by itself."""
    world = simulate("thin_wave", days=3.0, rate=0.5, seed=1)
    data = b"".join(world.blocks())
    settings = from_table({"alerts": {"false_incidents_per_week": 0.5}})
    log = LineLog("thin.jsonl", len(data), io.BytesIO(data), b"", settings.limits.record_bytes)
    for alert in Replay(settings, [log], on_reject=lambda _: None).run():
        if alert.type == "surgewatch.incident.opened.v1":
            print(alert.time, alert.subject, f"{alert.data['users']} users")
    for truth in world.truth:
        print("in truth:", truth.start, truth.kind, truth.hashtag, f"{truth.users} users")


if __name__ == "__main__":
    main()
