"""Sentences that the car does not understand: other languages, and noise."""

from __future__ import annotations

import numpy as np

from heron_model.words.grammar import Split

FOREIGN: dict[Split, tuple[str, ...]] = {
    "train": (
        *(
            "tournez à gauche au prochain carrefour",
            "arrêtez-vous ici s'il vous plaît",
            "continuez tout droit",
            "roulez moins vite",
            "bonjour, ça va",
            "où est la gare",
        ),
        *(
            "bitte an der nächsten Kreuzung rechts abbiegen",
            "fahren Sie geradeaus",
            "halten Sie bitte hier an",
            "fahr langsamer",
            "guten Morgen",
            "wie spät ist es",
        ),
        *("gire a la derecha en el próximo cruce", "siga todo recto", "pare aquí por favor", "más despacio", "buenos días", "dónde está la estación"),
        *("请在下一个路口左转", "请在这里停车", "一直往前走", "开慢一点", "你好吗", "今天天气怎么样", "闯红灯", "在前面右转"),
        *("다음 교차로에서 좌회전하세요", "여기서 멈춰 주세요", "직진하세요", "천천히 가세요", "안녕하세요", "오른쪽으로 가세요"),
        *("انعطف يسارا عند التقاطع", "توقف هنا من فضلك", "استمر في السير", "مرحبا"),
        *("поверните налево на перекрёстке", "остановитесь здесь", "езжайте прямо", "доброе утро"),
        *("gira a sinistra al prossimo incrocio", "fermati qui", "vai dritto", "piano per favore", "vire à direita", "pare aqui"),
        *(
            "tournez à droite après le pont",
            "merci beaucoup",
            "attention au vélo",
            "quelle heure avez-vous",
            "suivez la route",
            "je voudrais descendre",
        ),
        *(
            "folgen Sie der Straße",
            "nach links bitte",
            "danke schön",
            "ich möchte aussteigen",
            "hinter dem roten Auto anhalten",
            "überfahre die rote Ampel",
        ),
        *("doble en la esquina", "siga la calle", "quiero bajar aquí", "muchas gracias", "va muy rápido", "pase el semáforo en rojo"),
        *("左转", "直行", "靠边停车", "红灯停", "往右边开", "谢谢", "我饿了", "请您掉头", "沿着这条路走", "快一点"),
        *("왼쪽으로 도세요", "고마워요", "멈추세요", "배고파요", "빨간 차 뒤에 서세요", "길을 따라가세요"),
        *("انعطف يمينا", "أبطئ قليلا", "شكرا", "سر إلى الأمام", "спасибо", "направо", "медленнее", "стойте за автобусом"),
        *(
            "sağa dönün",
            "düz devam et",
            "yavaşla",
            "skręć w prawo",
            "jedź prosto",
            "zatrzymaj się",
            "sväng vänster",
            "kör rakt fram",
            "draai rechtsaf",
            "rechtdoor",
        ),
        *("बाएं मुड़ें", "रुकिए", "เลี้ยวขวา", "ตรงไป", "rẽ trái", "đi thẳng", "belok kiri", "jalan terus"),
    ),
    "held_out": (
        *("prenez la première rue à droite", "ralentissez un peu", "arrêtez la voiture", "bonsoir, quelle heure est-il"),
        *("an der Ampel links, bitte", "halten Sie hinter dem weißen Wagen", "immer der Straße nach", "nicht so schnell"),
        *("doble a la izquierda en el semáforo", "deténgase detrás del camión", "no vaya tan rápido"),
        *("下个红绿灯右转", "在白色卡车后面停车", "直走", "请慢一点", "你叫什么名字"),
        *("신호등에서 우회전해 주세요", "흰색 트럭 뒤에 세워 주세요", "속도를 줄이세요"),
        *("اتجه يمينا عند الإشارة", "قف خلف الشاحنة البيضاء", "خفف السرعة"),
        *("сверните направо", "помедленнее, пожалуйста", "остановитесь за белым грузовиком"),
        *("svolta a destra al semaforo", "sola dön lütfen", "durun", "skręć w lewo", "เลี้ยวซ้ายที่แยกหน้า", "अगले चौराहे पर बाएं मुड़ें"),
    ),
}
ONSETS = (*"bcdfghjklmnprstvwzñš", "br", "ch", "fl", "gr", "kl", "sh", "st", "th")
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ou", "é", "ü")
CODAS = ("", "", "n", "r", "s", "l", "m", "t")
MORAE = "アイウエオカキクケコサシスセソタチテトナニノハヒフホマミムモヤユヨラリルレロワン"
KANJI = (0x4E00, 0x9FA5)


def name(language: str, rng: np.random.Generator) -> str:
    """A made-up name of a street, shop or person: what nobody has heard before need not make a sentence unknown."""
    if language == "ja" and rng.random() < 0.4:
        return "".join(chr(code) for code in rng.integers(*KANJI, size=2))
    if language == "ja":
        return "".join(MORAE[int(rng.integers(len(MORAE)))] for _ in range(int(rng.integers(2, 5))))
    return "".join(f"{rng.choice(ONSETS)}{rng.choice(VOWELS)}{rng.choice(CODAS)}" for _ in range(int(rng.integers(1, 4))))


SYLLABLES: dict[Split, tuple[str, ...]] = {
    "train": ("blo", "kra", "fim", "zu", "qua", "nix", "tob", "wex", "ro", "gu", "pli", "xyz", "asdf", "hjk", "qwe", "vbn"),
    "held_out": ("dro", "fru", "mip", "zax", "jol", "kwi", "bnm", "sdfg", "yui", "po", "gla", "nuk"),
}
KANA: dict[Split, str] = {"train": "ぬめほらりろよわそかさはむゆけこねちアキサヌメホ", "held_out": "ぬへろるけせつふゆわみちおいえムユヨワソ"}
SYMBOLS: dict[Split, str] = {"train": "#$%&*+=<>/@0123456789", "held_out": "#@~^<>{}0123456789"}


def not_understood(language: str, split: Split, rng: np.random.Generator) -> str:
    """A sentence of another language, or noise such as a microphone makes of one in `language`."""
    kind = int(rng.integers(5))
    if kind < 3:
        return str(rng.choice(FOREIGN[split]))
    if kind == 3:
        return "".join(str(letter) for letter in rng.choice(list(SYMBOLS[split]), int(rng.integers(3, 10))))
    if language == "ja":
        return "".join(str(letter) for letter in rng.choice(list(KANA[split]), int(rng.integers(4, 12))))
    return " ".join("".join(str(part) for part in rng.choice(SYLLABLES[split], int(rng.integers(1, 4)))) for _ in range(int(rng.integers(1, 6))))
