"""What a gateway's messages mean: whether one asks to wait, and for what.

They are prose, in Chinese or English, and no two gateways have the same. Both functions look for
the few phrases that all of them are made of.
"""

import re

# What comes behind 初始化中 makes another word of it (中断 is "interrupted", 中心 "centre"), or
# says that it went wrong.
_ENDED = "[断斷止心途间間介转轉文央]|出错|出錯|出现|发生|失败|失敗|异常|異常|报错|错误|錯誤|遇到"
_DENIED = "非|不是|无|[未不没沒](?:有|是)?(?:再|存在|处于|处在|在)?"
_INITIALIZING = re.compile(
    rf"({_DENIED})?(?:处于|处在|在)?"
    rf"(?:正在初始化(?!中?(?:{_ENDED}))|初始化中(?!{_ENDED})|初始化(?:还|尚|仍)?(?:未|[没沒]有?)完成)",
)
_BEFORE_INITIALIZING = (
    r"(?:n't|\b(?:not|never|no longer|fail\w*|errors?|excep\w+|(?<!not )(?:stopped|finished|done)))"
    r"(?: (?:yet|currently|still|occurred|while|when|during|in|at|is|was))*"
)
_INITIALIZING_IN_ENGLISH = re.compile(
    rf"({_BEFORE_INITIALIZING} )?(?<![a-z])(?:re-?)?initiali[sz]ing(?![a-z])"
    r"(?!(?: \w+){0,2} (?:fail|error|abort|cancel|interrupt|stopped|timed out))",
)
_THROTTLED = re.compile(
    r"频繁|頻繁|限流|(?:系统|服务器?|网络)(?:正|太|过于)?繁?忙"
    r"|(?:请求|次数|访问|操作|调用|频率)(?:过于?|太)(?:多|快|高)"
    r"|too many (?:\w+ )?(?:requests|calls|attempts)"
    r"|too (?:frequent|often|fast|quick)|rate[ _-]?limit|throttl(?:ed|ing)"
    r"|(?:system|server|service)(?: is)?(?: too)? busy",
)
_TOO_MANY_REQUESTS = "429"
_LONGEST_READ = 10_000  # characters; what is longer is no message, and takes its time


def says_initializing(code: str, message: str) -> bool:  # noqa: ARG001  # whatever the code
    """Tell whether a reply means that its instance is initializing, so that it must wait.

    It does if its message has 初始化中, 正在初始化, 初始化未完成 or "initializing" somewhere, be it
    beside other things. 初始化中断 (interrupted), 非初始化中 (not) and their like do not count.
    """
    message = message[:_LONGEST_READ]
    if "初始化" in message and any(not found[1] for found in _INITIALIZING.finditer(message)):
        return True
    english = message.lower()
    if "initiali" not in english:
        return False
    words = " ".join(english.replace("_", " ").split())
    return any(not found[1] for found in _INITIALIZING_IN_ENGLISH.finditer(words))


def says_throttled(code: str, message: str) -> bool:
    """Tell whether a reply means that its instance was called too often, so that it must wait.

    It does if its code is 429, or if its message has 频繁, 限流, 请求过多, 系统繁忙, "too many
    requests", "too frequent", "rate limit" or their like.
    """
    return code == _TOO_MANY_REQUESTS or bool(_THROTTLED.search(message[:_LONGEST_READ].lower()))
