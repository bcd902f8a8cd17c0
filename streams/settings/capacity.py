"""What the operator's staff can do: for the capacity sheet, never for what is alarmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from streams.settings.kinds import codes, positive
from streams.settings.sections import Setting, primary_subtag


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many posts a person handles in an hour, and what the staff reads."""

    moderator_posts_per_hour: Annotated[
        float,
        Setting(
            "moderator_posts_per_hour",
            positive(100_000, "posts an hour"),
            "Posts a moderator handles in an hour.",
            shapes=False,
        ),
    ] = 120.0
    translator_posts_per_hour: Annotated[
        float,
        Setting(
            "translator_posts_per_hour",
            positive(100_000, "posts an hour"),
            "Posts a translator handles in an hour.",
            shapes=False,
        ),
    ] = 60.0
    languages_read: Annotated[
        tuple[str, ...],
        Setting(
            "languages_read",
            codes("[a-z]{2,3}", "primary language subtags in lower case", primary_subtag),
            "Languages that need no translator, because the staff reads them.",
            shapes=False,
        ),
    ] = ()
