"""What a report says, in Chinese and in English."""

from collections.abc import Mapping
from enum import StrEnum

from wxcontacts_async.contacts import ContactKind


class Language(StrEnum):
    """The language of a report, as HTML calls it."""

    CHINESE = "zh"
    ENGLISH = "en"


# By key: Chinese, English.
_WORDS = {
    "title": ("微信通讯录报告", "WeChat contacts report"),
    "period": ("统计区间：{since} 至 {until}", "From {since} to {until}"),
    "made": ("生成时间 {until}，时区 {zone}", "Made at {until}, time zone {zone}"),
    "anonymous": ("已隐去联系人姓名", "The names of contacts are left out"),
    "instances": ("实例", "Instances"),
    "contacts": ("联系人", "Contacts"),
    "distinct": ("去重后的联系人", "Distinct contacts"),
    "on_several": ("多个实例共有", "On several instances"),
    "came": ("新增", "Came"),
    "went": ("离开", "Went"),
    "changed": ("资料变更", "Changed"),
    "synced": ("正常", "In step"),
    "suspicious": ("可疑", "Suspicious"),
    "failing": ("失败", "Failing"),
    "friend": ("好友", "Friends"),
    "group": ("群聊", "Groups"),
    "public": ("公众号", "Official accounts"),
    "overview": ("总览", "Overview"),
    "movement": ("来来去去", "Coming and going"),
    "shared": ("共有联系人", "Shared contacts"),
    "attention": ("需要留意", "Needs attention"),
    "gateways": ("网关", "Gateways"),
    "gateway": ("网关", "Gateway"),
    "instance": ("实例", "Instance"),
    "contacts_over_time": ("联系人总数的变化", "Contacts over time"),
    "instances_over_time": ("实例数的变化", "Instances over time"),
    "came_and_went_by_day": ("每天的新增与离开", "Who came and went, by day"),
    "came_and_went_by_hour": ("每小时的新增与离开", "Who came and went, by hour"),
    "busiest": ("变动最多的实例", "Instances with the most coming and going"),
    "kinds": ("联系人构成", "Kinds of contacts"),
    "most_shared": ("出现在最多实例中的联系人", "Contacts on the most instances"),
    "by_gateway": ("各网关的实例状态", "Instances of each gateway, by how they ended"),
    "imported": (
        "另有 {contacts} 个联系人是实例首次同步时带来的，不计入新增。",
        "{contacts} more contacts came with an instance's first sync and are not counted as new.",
    ),
    "recent": ("最近的新增与离开", "The last who came and went"),
    "recent_note": ("最近 {number} 条。", "The last {number}."),
    "all_instances": ("全部实例", "All instances"),
    "only_some": (
        "共 {all} 个实例，此处列出最需要留意的 {number} 个。",
        "Of {all} instances, the {number} that most need attention.",
    ),
    "nothing_wrong": ("所有实例都正常。", "All instances are in step."),
    "none_shared": ("没有出现在多个实例中的联系人。", "No contact is on several instances."),
    "nothing_moved": ("此期间没有新增或离开。", "Nobody came or went in this time."),
    "time": ("时间", "Time"),
    "what": ("变动", "What"),
    "kind": ("类型", "Kind"),
    "name": ("昵称", "Name"),
    "user_name": ("微信标识", "userName"),
    "state": ("状态", "State"),
    "last_synced": ("上次同步", "Last synced"),
    "last_tried": ("上次尝试", "Last tried"),
    "missing": ("缺失的联系人", "Missing contacts"),
    "calls": ("平均调用次数", "Calls per instance"),
    "accept": (
        "确认确实少了这些联系人后，运行 wxcontacts accept 实例名。",
        "Once you know that they are gone, run wxcontacts accept with the wId.",
    ),
    "anonymous_contact": ("联系人 {number}", "Contact {number}"),
    "never": ("从未", "never"),
    "values": ("数值", "Values"),
    "to_content": ("跳到正文", "Skip to the content"),
    "sections": ("目录", "Sections"),
    "footer": (
        "本页不连接网络，内容含个人信息，请妥善保管。",
        "This page needs no network. What it holds is personal: share it with care.",
    ),
    "empty": ("数据库里还没有实例。", "There are no instances in the database yet."),
}

# What a person reads instead of the names of errors.
_OUTCOMES = {
    "synced": ("正常", "in step"),
    "suspicious": ("可疑：缺失过多，未删除", "suspicious: too much is missing, none removed"),
    "GatewayRefusedError": ("被网关拒绝", "refused by the gateway"),
    "InitializationTimeoutError": ("初始化超时", "initialization took too long"),
    "GatewayConnectionError": ("连不上网关", "no connection to the gateway"),
    "GatewayTimeoutError": ("网关超时", "the gateway took too long"),
    "GatewayHTTPError": ("网关返回 HTTP 错误", "the gateway answered with an HTTP error"),
    "ReplyDecodeError": ("回复无法解析", "the reply could not be read"),
    "ReplyTooLargeError": ("回复过大", "the reply was too large"),
    "UnknownGatewayError": ("未知网关", "unknown gateway"),
}

# What DataTables says; the keys are its own, but for that of what turns its pages.
_TABLE_WORDS = {
    "pages": ("翻页", "pages"),
    "search": ("筛选：", "Filter:"),
    "lengthMenu": ("每页 _MENU_ 行", "_MENU_ rows a page"),
    "info": ("第 _START_ – _END_ 行，共 _TOTAL_ 行", "_START_ – _END_ of _TOTAL_"),
    "infoEmpty": ("0 行", "0 rows"),
    "infoFiltered": ("（从 _MAX_ 行中筛选）", "(of _MAX_)"),
    "zeroRecords": ("没有符合的行", "No row matches"),
    "emptyTable": ("没有内容", "Nothing here"),
}
_TABLE_LABELS = {
    "orderable": ("：按此列排序", ": sort by this column"),
    "orderableReverse": ("：反向排序", ": sort the other way"),
    "orderableRemove": ("：取消排序", ": no longer sort"),
}
_PAGE_LABELS = {
    "first": ("第一页", "First page"),
    "previous": ("上一页", "Previous page"),
    "next": ("下一页", "Next page"),
    "last": ("最后一页", "Last page"),
    "number": ("第 ", "Page "),
}


ALL = (_WORDS, _OUTCOMES, _TABLE_WORDS, _TABLE_LABELS, _PAGE_LABELS)


class Words:
    """What a report says in one language.

    Arguments:
        language: Which one.

    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._place = list(Language).index(language)

    def __getitem__(self, key: str) -> str:
        return _WORDS[key][self._place]

    def of_kind(self, kind: ContactKind) -> str:
        """Return what contacts of a kind are called."""
        return self[kind.value]

    def of_outcome(self, outcome: str) -> str:
        """Return how an instance ended, in a person's words where there are some."""
        return _OUTCOMES[outcome][self._place] if outcome in _OUTCOMES else outcome

    def of_tables(self) -> dict[str, object]:
        """Return what DataTables says."""
        labels = {**self._chosen(_TABLE_LABELS), "paginate": self._chosen(_PAGE_LABELS)}
        return {**self._chosen(_TABLE_WORDS), "aria": labels}

    def compact(self, number: float) -> str:
        """Write a number as short as an axis needs it: 12.3k, or 1.2万."""
        units = ((1e8, "亿"), (1e4, "万")) if self.language == "zh" else ((1e6, "M"), (1e3, "k"))
        for size, unit in units:
            if abs(number) >= size:
                return f"{number / size:.4g}{unit}"
        return f"{number:,.4g}"

    def _chosen(self, words: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        return {key: both[self._place] for key, both in words.items()}
