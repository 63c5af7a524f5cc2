"""What a gateway's messages mean: whether one asks to wait, and for what.

They are prose, in Chinese or English, and no two gateways have the same. Both functions look for
the few phrases that all of them are made of, of which there are tables below. A phrase does not
count if it is denied by what stands right before it.
"""

import re
from collections.abc import Sequence
from functools import cache

_compiled = cache(re.compile)  # a pattern when it is first needed


def _any_of(phrases: Sequence[str]) -> str:
    return f"(?:{'|'.join(phrases)})"


# Chinese is read in simplified characters; these are the traditional ones of the phrases.
_SIMPLIFIED = str.maketrans(
    "過還進時間發報錯誤異敗斷終線開離潰轉無沒於處經頻請數訪問調務統網絡號錄較當",
    "过还进时间发报错误异败断终线开离溃转无没于处经频请数访问调务统网络号录较当",
)

# 初始化中 is "initializing", 正在初始化 too, 初始化未完成 "not done with it".
_GOES_ON = ("初始化(?:过程|进行)?中", "正在(?:进行)?初始化")
_IS_NOT_DONE = (
    "初始化(?:还|尚|仍)?(?:未|没有?)完成",
    "(?:未|没有?)完成初始化",
    "未初始化完成",
)
# What comes behind 初始化中 makes another word of it: 中断 is "interrupted", 中心 "centre".
_OTHER_WORDS = ("断", "止", "心", "途", "间", "介", "转", "文", "央")
# Or it says that it went wrong, or came to an end.
_ENDED = (
    *("出错", "出现", "发生", "遇到", "失败", "异常", "报错", "错误", "崩溃"),
    *("终止", "取消", "超时", "退出", "断开", "断线", "掉线", "下线", "离线"),
)
_DURING = "(?:时|期间|过程中?|中)?[，,]?(?:已经?)?被?"
_DENIED = "非|不是|无|[未不没](?:有|是)?(?:再|存在|处于|处在|在)?"


_INITIALIZING = (
    rf"({_DENIED})?(?:处于|处在|在)?"
    rf"(?:{_any_of(_GOES_ON)}(?!中?{_any_of(_OTHER_WORDS)}|{_DURING}{_any_of(_ENDED)})"
    rf"|{_any_of(_IS_NOT_DONE)})"
)

_GOES_ON_IN_ENGLISH = (
    r"(?:re-?)?initiali[sz]ing(?![a-z])",
    r"(?:re-?)?initiali[sz]ation (?:is )?(?:still )?in progress",
)
_ENDED_IN_ENGLISH = ("fail", "error", "abort", "cancel", "interrupt", "stopped", "timed out")
_DENIED_IN_ENGLISH = (
    r"(?:n't|\b(?:not|never|no|no longer|fail\w*|errors?|excep\w+"
    r"|(?<!not )(?:stopped|finished|done)))"
    r"(?: (?:yet|currently|still|occurred|while|when|during|in|at|is|was))*"
)
_INITIALIZING_IN_ENGLISH = (
    rf"({_DENIED_IN_ENGLISH} )?(?<![a-z]){_any_of(_GOES_ON_IN_ENGLISH)}"
    # "Initializing the account failed"; but "initializing after failed login" goes on.
    rf"(?!(?: (?!after|since|because)\w+){{0,2}} {_any_of(_ENDED_IN_ENGLISH)})"
)

_TOO_OFTEN = (
    "频繁",
    "限流",
    "(?:系统|服务器?|伺服器|网络|接口)(?:正|太|过于|比较|当前)?繁?忙",
    "(?:请求|次数|访问|操作|调用|频率|频次)(?:过于?|太)(?:多|快|高)",
    "(?:频率|频次|次数)(?:超限|超出限制|限制)",
)
_TOO_OFTEN_IN_ENGLISH = (
    r"too many (?:\w+ )?(?:requests?|calls?|attempts?)\b",
    "too (?:frequent|often|fast|quick)",
    "rate[ _-]?limit",
    "freq(?:uency)? (?:is )?(?:out of|over) (?:the )?limit",
    "throttl(?:ed|ing)",
    "(?:system|server|service)(?: is)?(?: too)? busy",
)
_NOT_TOO_OFTEN = r"(?:未|没有?|不)(?:被|会)?|(?:n't|\bnot) (?:being |currently )?"
_THROTTLED = f"({_NOT_TOO_OFTEN})?{_any_of([*_TOO_OFTEN, *_TOO_OFTEN_IN_ENGLISH])}"
# What was done too often (频繁), and no waiting mends: the account is banned or logged out.
_FOR_GOOD = _any_of(["被封", "封禁", "封号", "限制登录", "永久", "重新登录", "频繁[掉断离下]线"])

_TOO_MANY_REQUESTS = "429"
_LONGEST_READ = 10_000  # characters; what is longer is no message, and takes its time


def says_initializing(code: str, message: str) -> bool:  # noqa: ARG001  # whatever the code
    """Tell whether a reply means that its instance is initializing, so that it must wait.

    It does if its message has 初始化中, 正在初始化, 初始化未完成, "initializing" or their like
    somewhere, be it beside other things. 初始化中断 (interrupted), 非初始化中 (not) and their like
    do not count.
    """
    message = message[:_LONGEST_READ]
    if "初始化" in message and _is_said(_INITIALIZING, message.translate(_SIMPLIFIED)):
        return True
    english = message.lower()
    if "initiali" not in english:
        return False
    return _is_said(_INITIALIZING_IN_ENGLISH, " ".join(english.replace("_", " ").split()))


def says_throttled(code: str, message: str) -> bool:
    """Tell whether a reply means that its instance was called too often, so that it must wait.

    It does if its code is 429, or if its message has 频繁, 限流, 请求过多, 系统繁忙, "too many
    requests", "too frequent", "rate limit" or their like; not if it says that the account was
    banned or logged out, which no waiting mends.
    """
    if code == _TOO_MANY_REQUESTS:
        return True
    message = message[:_LONGEST_READ].lower().translate(_SIMPLIFIED)
    if "频繁" in message and _compiled(_FOR_GOOD).search(message):
        return False
    return _is_said(_THROTTLED, message)


def _is_said(phrases: str, message: str) -> bool:
    """Tell whether one of the phrases stands there, and is not denied."""
    return any(not found[1] for found in _compiled(phrases).finditer(message))
