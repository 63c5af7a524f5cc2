"""Draws an instance's time line, and the tables: `python -m docs.scripts.drawings`.

They are SVG in the fonts of the system, and in each language of the pages.
"""

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

import msgspec

IMAGES = Path(__file__).parents[1] / "images"
_FONTS = "system-ui, 'Noto Sans CJK SC', 'Microsoft YaHei', 'PingFang SC', sans-serif"


class _Phase(msgspec.Struct, frozen=True):
    """A part of the time line: a call, or a wait.

    Arguments:
        width: How long it is drawn.
        colour: Of a call; None for a wait, in which the instance holds nothing.
        above: What stands above it, in each language.
        below: What stands below it, in each language.

    """

    width: int
    colour: str | None
    above: tuple[str, str]
    below: tuple[str, str] = ("", "")


_GREY, _AMBER, _RED, _GREEN = "#8a8f98", "#e6a23c", "#d9534f", "#3a9d6a"
_PHASES = (
    _Phase(60, None, ("in line", "排队"), ("ready", "就绪")),
    _Phase(44, _AMBER, ("call 1", "第 1 次"), ("初始化中", "初始化中")),
    _Phase(120, None, ("5 s", "5 秒"), ("interval", "interval")),
    _Phase(44, _AMBER, ("call 2", "第 2 次"), ("初始化中", "初始化中")),
    _Phase(120, None, ("5 s", "5 秒"), ("interval", "interval")),
    _Phase(44, _RED, ("call 3", "第 3 次"), ("cut off", "响应中断")),
    _Phase(84, None, ("0 to 0.5 s", "0~0.5 秒"), ("backoff", "退避")),
    _Phase(44, _GREY, ("call 4", "第 4 次"), ("no answer", "无应答")),
    _Phase(
        150, None, ("gateway away: a probe", "网关不可用：由一次"), ("no attempt spent", "不计次数")
    ),
    _Phase(64, _GREEN, ("call 5", "第 5 次"), ("contacts", "通讯录")),
)
_PROBES = ("finds out when it is back", "探测发现它已恢复")
_SLOT = ("holds a slot", "占用槽位")
_NOTHING = ("waits, holding nothing", "等待，什么都不占用")
_TIME = ("time", "时间")

_TABLES = {
    "contacts": (
        "w_id *",
        "user_name *",
        "kind",
        "alias_name, nick_name",
        "big_head, small_head",
        "sex, signature",
        "country, province, city",
        "more",
        "first_seen, last_changed",
    ),
    "contact_changes": ("id *", "w_id, user_name", "change", "fields", "before, after", "at"),
    "instances": (
        "w_id *",
        "gateway, outcome",
        "tried_at, synced_at",
        "contacts, calls",
        "official_accounts",
        "friends, groups",
        "suspected_stored ...",
    ),
    "missing_contacts": ("w_id *", "user_name *", "since", "accepted"),
}
_TABLE_NOTES = {
    "contacts": ("who is known now", "现在有谁"),
    "contact_changes": ("who came, went, changed", "谁加入、离开、变化"),
    "instances": ("how each last ended", "每个实例上次的结果"),
    "missing_contacts": ("kept though not answered", "应答里缺失、暂时保留"),
}
_KEY = ("* key", "* 主键")


def _text(x: float, y: float, text: str, *, size: int = 13, style: str = "") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" {style}>{escape(text)}</text>'


def _picture(width: int, height: int, title: str, parts: Iterator[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="{_FONTS}" fill="#20242a" role="img">\n<title>{escape(title)}</title>\n'
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _time_line(language: int) -> Iterator[str]:
    x, line = 24.0, 92
    centred = 'text-anchor="middle"'
    for phase in _PHASES:
        middle = x + phase.width / 2
        if phase.colour:
            yield (
                f'<rect x="{x}" y="{line - 18}" width="{phase.width}" height="36" rx="4" '
                f'fill="{phase.colour}"/>'
            )
        else:
            yield (
                f'<line x1="{x}" y1="{line}" x2="{x + phase.width}" y2="{line}" '
                'stroke="#20242a" stroke-dasharray="4 5" stroke-width="2"/>'
            )
        yield _text(middle, line - 30, phase.above[language], size=12, style=centred)
        yield _text(middle, line + 36, phase.below[language], size=12, style=centred)
        if phase.width == max(each.width for each in _PHASES):
            yield _text(middle, line - 12, _PROBES[language], size=12, style=centred)
        x += phase.width
    yield f'<line x1="24" y1="156" x2="{x}" y2="156" stroke="#8a8f98"/>'
    yield f'<path d="M {x} 156 l -8 -4 v 8 z" fill="#8a8f98"/>'
    yield _text(x + 6, 160, _TIME[language], size=12)
    yield f'<rect x="24" y="176" width="22" height="14" rx="3" fill="{_GREEN}"/>'
    yield _text(54, 188, _SLOT[language])
    yield (
        '<line x1="200" y1="183" x2="232" y2="183" stroke="#20242a" stroke-dasharray="4 5" '
        'stroke-width="2"/>'
    )
    yield _text(240, 188, _NOTHING[language])


def _tables(language: int) -> Iterator[str]:
    x = 16
    for name, columns in _TABLES.items():
        height = 64 + 20 * len(columns)
        yield (
            f'<rect x="{x}" y="16" width="196" height="{height}" rx="4" fill="none" '
            'stroke="#8a8f98"/>'
        )
        yield f'<rect x="{x}" y="16" width="196" height="26" rx="4" fill="#00796b"/>'
        yield _text(x + 10, 34, name, style='fill="#ffffff" font-weight="bold"')
        yield _text(x + 10, 60, _TABLE_NOTES[name][language], size=12, style='fill="#5a6068"')
        for number, column in enumerate(columns):
            yield _text(x + 10, 84 + 20 * number, column)
        x += 208
    yield _text(16, 282, _KEY[language], size=12, style='fill="#5a6068"')


def main() -> None:
    """Write the pictures."""
    for language, suffix in enumerate(("", ".zh")):
        for name, width, height, title, parts in (
            ("timeline", 866, 204, ("An instance's time line", "一个实例的时间线"), _time_line),
            ("tables", 848, 294, ("The tables", "数据表"), _tables),
        ):
            picture = IMAGES / f"{name}{suffix}.svg"
            drawn = _picture(width, height, title[language], parts(language))
            picture.write_text(drawn, encoding="utf-8")
            sys.stderr.write(f"{picture}\n")


if __name__ == "__main__":
    main()
