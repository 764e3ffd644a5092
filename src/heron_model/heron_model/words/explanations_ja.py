"""Other ways to say in Japanese what `heron_sim.driving.explain` says: reason → split → patterns."""

from __future__ import annotations

# Word lists: both splits // train only // held-out only.
WORDS = {
    "car_ahead": "前の車 // 前方の車|先行車 // 前を走る車",
    "person": "歩行者 // 横断する人 // 歩いている人",
    "bike": "自転車 // サイクリスト // 自転車の人",
    "slowing": "減速します|速度を落とします // 減速しています // スピードを落とします",
    "waiting": "待っています // 停止中です|待機しています // 止まっています",
    "starting": "発進します // 動き出します // 走り出します",
    "so": "ので // ため // から",
    "room": "間隔をあけて // 十分な間隔で // 距離をとって",
}

PATTERNS: dict[str, dict[str, tuple[str, ...]]] = {
    "cruise": {"train": ("道に沿って走行しています", "車線に沿って走っています"), "held_out": ("道なりに走っています", "このまま道を走ります")},
    "start": {"train": ("これから発進します", "動き出します"), "held_out": ("走り出します", "今から走行を始めます")},
    "curve": {
        "train": ("この先がカーブな{so}、{slowing}", "カーブに備えて{slowing}"),
        "held_out": ("道が曲がっている{so}、{slowing}", "カーブの前で{slowing}"),
    },
    "slow_red": {
        "train": ("信号が赤な{so}、{slowing}", "赤信号に備えて{slowing}"),
        "held_out": ("前方が赤信号な{so}、{slowing}", "赤信号の手前で{slowing}"),
    },
    "wait_red": {
        "train": ("信号が赤な{so}、{waiting}", "青になるまで{waiting}"),
        "held_out": ("赤信号が変わるのを{waiting}", "赤信号な{so}、{waiting}"),
    },
    "slow_yellow": {
        "train": ("黄色になった{so}、停止します", "信号が黄色に変わった{so}、止まります"),
        "held_out": ("黄信号な{so}、止まります", "黄色な{so}、手前で止まります"),
    },
    "pass_yellow": {
        "train": ("黄信号ですが、止まりきれない{so}、進みます", "黄色ですが、近すぎる{so}、通過します"),
        "held_out": ("黄信号でも止まる方が危ない{so}、通ります", "黄信号ですが、そのまま抜けます"),
    },
    "start_green": {
        "train": ("信号が青な{so}、{starting}", "青に変わった{so}、{starting}"),
        "held_out": ("青信号な{so}、{starting}", "青信号を確認して{starting}"),
    },
    "give_way": {
        "train": ("優先車両がいる{so}、{slowing}", "交差点で道を譲る{so}、{slowing}"),
        "held_out": ("相手が優先な{so}、{slowing}", "交差する車を先に通す{so}、{slowing}"),
    },
    "wait_gap": {
        "train": ("車の流れが切れるのを{waiting}", "ほかの車が通り過ぎるまで{waiting}"),
        "held_out": ("車の切れ目を{waiting}", "優先車両が通過するまで{waiting}"),
    },
    "start_gap": {
        "train": ("車が途切れた{so}、進みます", "安全な{so}、進みます"),
        "held_out": ("誰も来ない{so}、進みます", "道があいた{so}、進みます"),
    },
    "wait_exit": {
        "train": ("交差点の出口が詰まっている{so}、{waiting}", "交差点をふさがないように{waiting}"),
        "held_out": ("交差点の先が渋滞している{so}、{waiting}", "交差点の先に空きがない{so}、{waiting}"),
    },
    "slow_pedestrian": {
        "train": ("{person}に注意して{slowing}", "前方に{person}がいる{so}、{slowing}"),
        "held_out": ("{person}が近い{so}、{slowing}", "{person}のために{slowing}"),
    },
    "wait_pedestrian": {
        "train": ("{person}が渡るのを{waiting}", "{person}が渡り終わるまで{waiting}"),
        "held_out": ("{person}を先に通します", "{person}がいる{so}、{waiting}"),
    },
    "start_pedestrian": {
        "train": ("{person}が渡った{so}、{starting}", "{person}がいなくなった{so}、{starting}"),
        "held_out": ("{person}が通り過ぎた{so}、{starting}", "{person}の横断が終わった{so}、{starting}"),
    },
    "follow_car": {
        "train": ("{car_ahead}の後ろを走っています", "{car_ahead}との車間を保っています"),
        "held_out": ("{car_ahead}に合わせて走っています", "{car_ahead}についていきます"),
    },
    "wait_car": {
        "train": ("{car_ahead}の後ろで{waiting}", "{car_ahead}が動くのを{waiting}"),
        "held_out": ("{car_ahead}が停止している{so}、{waiting}", "車の列で{waiting}"),
    },
    "start_car": {
        "train": ("{car_ahead}が動いた{so}、{starting}", "{car_ahead}に続いて{starting}"),
        "held_out": ("{car_ahead}が進んだ{so}、{starting}", "車の列が動いた{so}、{starting}"),
    },
    "follow_cyclist": {
        "train": ("{bike}の後ろについています", "{bike}に合わせてゆっくり走っています"),
        "held_out": ("{bike}をまだ追い越しません", "{bike}の後を走っています"),
    },
    "pass_cyclist": {
        "train": ("{room}{bike}を追い抜きます", "{bike}の横を{room}通ります"),
        "held_out": ("{bike}を{room}追い越していきます", "{bike}を抜きます"),
    },
    "pass_obstacle": {
        "train": ("障害物をよけて進みます", "障害物の横を{room}通ります"),
        "held_out": ("障害物を{room}よけます", "道の障害物を避けて通ります"),
    },
    "stop_obstacle": {
        "train": ("車線が通れない{so}、停止します", "前がふさがっている{so}、停止します"),
        "held_out": ("障害物で通れない{so}、止まります", "進路がふさがれている{so}、止まります"),
    },
    "cut_in": {
        "train": ("車が割り込んだ{so}、車間をあけます", "割り込みがあった{so}、{slowing}"),
        "held_out": ("割り込んだ車に場所を譲ります", "割り込み車との間をあけます"),
    },
    "slow_guide": {
        "train": ("誘導員が止まれの合図をした{so}、停止します", "交通誘導員に従って{slowing}"),
        "held_out": ("誘導員に止められた{so}、止まります", "交通誘導員がいる{so}、{slowing}"),
    },
    "wait_guide": {
        "train": ("誘導員の合図があるまで{waiting}", "交通誘導員の指示を{waiting}"),
        "held_out": ("誘導員がまだ合図しない{so}、{waiting}", "誘導員の進めの合図を{waiting}"),
    },
    "pass_work": {
        "train": ("誘導員に従って工事現場を通ります", "工事区間を通過しています"),
        "held_out": ("合図が出た{so}、工事区間を通ります", "工事の横を誘導員に従って進みます"),
    },
    "brake_hard": {
        "train": ("危険な{so}、急ブレーキをかけます", "衝突しそうな{so}、強くブレーキをかけます"),
        "held_out": ("ぶつからないように急停止します", "衝突防止の急ブレーキです"),
    },
    "slow_end": {
        "train": ("もうすぐ目的地な{so}、{slowing}", "目的地の手前で{slowing}"),
        "held_out": ("まもなく到着する{so}、{slowing}", "目的地に近づいた{so}、{slowing}"),
    },
    "wait_end": {"train": ("目的地に着きました", "目的地です"), "held_out": ("到着しました", "目的地で止まっています")},
}

# The reason `turn`, by manoeuvre.
TURNS: dict[str, dict[str, tuple[str, ...]]] = {
    "left": {"train": ("左折しています", "交差点を左に曲がります"), "held_out": ("左に曲がっています", "交差点で左へ進みます")},
    "right": {"train": ("右折しています", "交差点を右に曲がります"), "held_out": ("右に曲がっています", "交差点で右へ進みます")},
    "straight": {"train": ("交差点をまっすぐ進みます", "直進しています"), "held_out": ("交差点をまっすぐ通ります", "このまま直進します")},
    "follow": {"train": ("交差点を通ります", "交差点を走行しています"), "held_out": ("交差点の中を進んでいます", "交差点を抜けます")},
}
# How a turn is told with another reason.
WITH_TURN: dict[str, tuple[str, ...]] = {
    "train": ("{side}折の途中で、{said}", "{side}折です。{said}"),
    "held_out": ("{side}に曲がるところで、{said}", "{side}折中、{said}"),
}
SIDES = {"left": "左", "right": "右"}
