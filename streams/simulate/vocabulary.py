"""Hashtags: a body of existing ones with Zipf popularity, and small ones born all the time."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from streams.simulate.regions import FAMILIES, NO_REGION, REGIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARED_COUNT = 400
FAMILY_COUNT = 400
REGION_COUNT = 40

FAMILY_BASE = SHARED_COUNT
REGION_BASE = FAMILY_BASE + FAMILY_COUNT * len(FAMILIES)
BODY_COUNT = REGION_BASE + REGION_COUNT * len(REGIONS)
"""Numbers below are the existing tags; above come the ones that parts of a scenario add."""

BORN_BASE = 1 << 24
"""Numbers from here are tags born during the world; their text is made from the number."""

_SHARED_TEXT = """
food travel ootd makeup cat dog photo music fitness skincare coffee art nails hair home
plants books movie game study recipe baby wedding car camping baking yoga run dance
drawing fashion shoes bag perfume tea hotpot city beach museum weekend
"""
_SHARED = _SHARED_TEXT.split()
_ENDINGS = ["", "daily", "lover", "vlog", "tips", "life", "diary", "2025", "club", "time"]
_WORDS = {
    "zh": "日常 美食 穿搭 旅行 护肤 学习 生活 摄影",
    "en": "my best easy new healthy tiny weekly budget",
    "ja": "日常 ごはん 旅行 コスメ 猫 写真 勉強 暮らし",
    "ko": "일상 맛집 여행 뷰티 고양이 사진 공부 카페",
    "ms": "makanan jalan cantik kucing gambar hidup kedai resipi",
    "id": "makan jalan cantik kucing foto hidup resep hijab",
    "th": "อาหาร เที่ยว สวย แมว รูป ชีวิต คาเฟ่ สูตร",
    "vi": "monngon dulich lamdep meo anh cuocsong cafe hoc",
    "de": "essen reise schön katze foto leben rezept lernen",
    "fr": "cuisine voyage beauté chat photo vie recette mode",
    "es": "comida viaje belleza gato foto vida receta moda",
    "it": "cucina viaggio bellezza gatto foto vita ricetta moda",
    "pt": "comida viagem beleza gato foto vida receita moda",
    "ru": "еда поездка красота кот фото жизнь рецепт мода",
    "nl": "eten reis mooi kat foto leven recept leren",
    "ar": "طعام سفر جمال قط صورة حياة وصفة موضة",
    "tr": "yemek gezi güzellik kedi foto hayat tarif moda",
    "sv": "mat resa skönhet katt foto liv recept mode",
    "pl": "jedzenie podróż uroda kot foto życie przepis moda",
    "hi": "खाना यात्रा सुंदर बिल्ली फोटो जीवन रेसिपी फैशन",
}


def zipf(count: int) -> NDArray[np.float64]:
    """Cumulative probabilities of ranks 0 to ``count`` - 1, weight ``1 / (rank + 3)``."""
    cumulative = np.cumsum(1.0 / (np.arange(count) + 3.0))
    result: NDArray[np.float64] = cumulative / cumulative[-1]
    return result


def _body() -> list[str]:
    tags = [word + ending for ending in _ENDINGS for word in _SHARED]
    for family in FAMILIES:
        words = _WORDS[family].split()
        one = [*words, *("".join(pair) for pair in product(words, repeat=2))]
        three = ("".join(triple) for triple in product(words, repeat=3))
        tags += [*one, *three][:FAMILY_COUNT]
    for region in REGIONS:
        place = region.code.lower() if region.code != NO_REGION else "somewhere"
        tags += [f"{place}{word}" for word in _SHARED[:REGION_COUNT]]
    return tags


class Vocabulary:
    """Number to hashtag, and back for the ones that exist when a part of a scenario asks."""

    def __init__(self) -> None:
        self._tags = _body()
        self._numbers = {tag: number for number, tag in enumerate(self._tags)}
        self._tables: tuple[Any, Any] | None = None

    def number(self, tag: str) -> int:
        """The number of ``tag``, which is added if it does not exist yet."""
        if tag not in self._numbers:
            self._numbers[tag] = len(self._tags)
            self._tags.append(tag)
            self._tables = None
        return self._numbers[tag]

    def texts(self, numbers: NDArray[np.int32], slot: int) -> Any:
        """JSON texts of the ``slot``-th hashtags of posts, commas included; none is ``""``."""
        if self._tables is None:
            quoted = [orjson.dumps(tag).decode() for tag in self._tags]
            # The last entry is what number -1 (no hashtag) finds.
            first = np.array([*quoted, ""], object)
            later = np.array([*("," + text for text in quoted), ""], object)
            self._tables = (first, later)
        born = numbers >= BORN_BASE
        texts = self._tables[min(slot, 1)][np.where(born, -1, numbers)]
        if born.any():
            comma = "," if slot else ""
            texts[born] = [f'{comma}"tiny{n:x}"' for n in (numbers[born] - BORN_BASE).tolist()]
        return texts
