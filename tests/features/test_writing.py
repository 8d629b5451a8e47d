"""Texts in scripts that put no spaces between words say as much as those in English."""

from __future__ import annotations

from random import Random

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import normalized_mutual_info_score

from solid.features.tfidf import Tfidf, words_of
from solid.semantics.clustering import cluster
from solid.settings.schema import FeatureSettings

KINDS = {
    "English": {
        "phone case": "apple huawei clear", "running shoe": "mens light jogging", "coffee beans": "dark yunnan blend",
        "picture book": "bedtime animal bilingual", "rice cooker": "home mini smart",
    },
    "Chinese": {
        "手机壳": "苹果 华为 透明", "运动鞋": "男款 轻便 跑步", "咖啡豆": "深烘 云南 拼配",
        "儿童绘本": "睡前 动物 双语", "电饭煲": "家用 迷你 智能",
    },
    "Japanese": {
        "スマホケース": "透明 革製 手帳型", "ランニングシューズ": "男性用 軽量 通気性",
        "コーヒー豆": "深煎り 雲南 ブレンド",
        "えほん": "おやすみ どうぶつ きょうりゅう", "炊飯器": "家庭用 小型 多機能",
    },
    "Thai": {
        "เคสโทรศัพท์": "ใส ซิลิโคน หนัง", "รองเท้าวิ่ง": "ผู้ชาย เบา ระบายอากาศ", "เมล็ดกาแฟ": "คั่วเข้ม ยูนนาน ผสม",
        "หนังสือภาพ": "ก่อนนอน สัตว์ ไดโนเสาร์", "หม้อหุงข้าว": "ในบ้าน ขนาดเล็ก อัจฉริยะ",
    },
}  # fmt: skip


@pytest.mark.parametrize("script", KINDS)
def test_classes_of_titles_are_the_kinds_of_items(script: str) -> None:
    rng, rows = Random(9), []
    space = " " if script == "English" else ""
    for n in range(150):
        kind = list(KINDS[script])[n % 5]
        traits = rng.sample(KINDS[script][kind].split(), 2)
        rows.append(space.join([*traits, kind, str(rng.randrange(100, 999))]))
    vectors = Tfidf(FeatureSettings(dim=16)).encode(pd.DataFrame({"text": rows}))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    classes, _ = cluster(vectors, 5, 0)
    assert normalized_mutual_info_score(np.arange(150) % 5, classes) > 0.75


def test_words_and_letters() -> None:
    assert words_of("a red 手机壳 case") == ["red", "case", "手", "机", "壳", "手机", "机壳"]
    assert words_of("plain words, don't") == ["plain", "words", "don"]
