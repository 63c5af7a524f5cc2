"""What is waited for, told from the messages of gateways as they write them."""

import pytest

from wxcontacts_async._messages import says_initializing, says_throttled


@pytest.mark.parametrize(
    "message",
    [
        "初始化中",
        "微信初始化中，请5秒后再试",
        "处于初始化中",
        "账号不在线，初始化中",
        "正在初始化",
        "正在初始化中…",
        "初始化未完成",
        "初始化尚未完成",
        "初始化还没有完成,请稍后",
        "上次初始化中断，现在初始化中",
        "初始化中，上次初始化中断",
        "Initializing",
        "initialising...",
        "Instance is INITIALIZING, please wait",
        "STATE_INITIALIZING",
        "not ready: initializing",
        "Not ready because initializing",
        "not ready,\nstill initializing",
        "has not finished initializing",
        "未初始化完成",
        "尚未完成初始化",
        "初始化還未完成",
        "初始化过程中",
        "初始化過程中，請稍候",
        "初始化进行中",
        "正在进行初始化",
        "初始化中，如果失败请重新登录",
        "初始化未完成，登录失败",
        "initialization in progress",
        "Initialization is still in progress",
        "initializing after failed login",
        "reinitializing after error",
    ],
)
def test_what_says_that_it_goes_on_is_initializing_whatever_stands_beside_it(message: str) -> None:
    assert says_initializing("1001", message)
    assert says_initializing("", f"错误：{message}")


@pytest.mark.parametrize(
    "message",
    [
        "",
        "成功",
        "失败",
        "初始化失败",
        "初始化完成",
        "未初始化",
        "初始化中断，请重新登录",
        "正在初始化中断",
        "初始化中止",
        "初始化中心",
        "初始化中心不可用",
        "初始化中间件失败",
        "初始化中途失败",
        "初始化中出错",
        "初始化中发生异常",
        "正在初始化失败",
        "正在初始化时出错",
        "正在初始化时发生异常",
        "正在初始化過程中發生錯誤",
        "正在初始化时掉线",
        "正在进行初始化时崩溃",
        "初始化中超时",
        "初始化中被终止",
        "初始化中取消",
        "初始化中終止",
        "初始化中已退出",
        "初始化中掉线，请重新登录",
        "初始化中，出现错误",
        "非初始化中",
        "并非初始化中",
        "不是在初始化中",
        "未在初始化中",
        "不在初始化中",
        "不再初始化中",
        "不处于初始化中",
        "没有初始化中的实例",
        "not initializing",
        "NOT_INITIALIZING",
        "isn't initializing",
        "is not currently initializing",
        "no longer initializing",
        "done initializing",
        "failed while initializing",
        "An error occurred while initializing the account",
        "Initializing failed",
        "initializing was interrupted",
        "failed to initialize",
        "initialization failed",
        "no initialization in progress",
        "initialization is not in progress",
        "initializing the account failed",
    ],
)
def test_what_says_that_it_does_not_go_on_is_not_initializing(message: str) -> None:
    assert not says_initializing("1001", message)


@pytest.mark.parametrize(
    "message",
    [
        "操作太频繁，请稍后再试",
        "访问过于频繁",
        "频繁",
        "限流",
        "请求过多",
        "请求次数过多",
        "请求过快",
        "操作过快",
        "系统繁忙",
        "服务繁忙，请稍后",
        "服务器繁忙",
        "Too Many Requests",
        "too many concurrent requests",
        "Too frequent",
        "called TOO FREQUENTLY",
        "rate limit exceeded",
        "Rate-Limited",
        "系統繁忙",
        "請求過多",
        "接口繁忙",
        "系统比较繁忙",
        "请求频次过高",
        "频率限制",
        "超过频率限制",
        "调用次数超限",
        "请勿频繁操作",
        "api freq out of limit",
        "Too Many Request",
    ],
)
def test_what_says_too_often_is_throttled(message: str) -> None:
    assert says_throttled("1001", message)
    assert not says_initializing("1001", message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "失败",
        "成功",
        "wId不存在",
        "请重新登录",
        "账号被限制",
        "群太多",
        "账号因频繁操作被封",
        "由于频繁登录，账号已被封禁",
        "账号因操作频繁已被限制登录，请重新登录",
        "该微信频繁掉线，请重新登录",
        "您未被限流",
        "没有被限流",
        "not throttled",
        "is not currently rate limited",
        "internal error",
        "初始化中",
    ],
)
def test_what_does_not_is_not_throttled(message: str) -> None:
    assert not says_throttled("1001", message)
    assert says_throttled("429", message)


@pytest.mark.parametrize(
    "piece",
    ["初始化中断", "not initializing ", "too ", "请求", "\n", "不", "频繁掉线", "没有"],
)
def test_what_is_too_long_for_a_message_is_read_in_a_moment(piece: str) -> None:
    # Read whole, this takes some seconds.
    assert not says_initializing("1001", piece * 10_000_000)
    assert not says_throttled("1001", piece * 10_000_000)
