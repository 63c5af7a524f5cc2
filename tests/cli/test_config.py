"""A configuration file is what options are not given for, and says where it is wrong."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import trustme
import typer
import typer.main

from tests.support.command import run
from tests.support.one_call import server_context
from tests.support.recording_server import recording, reply_with
from wxcontacts_async import Gateway, InitializationWait, Instance, RetryPolicy
from wxcontacts_async.cli.app import app
from wxcontacts_async.cli.options.config import Config
from wxcontacts_async.cli.options.config_lines import line_of
from wxcontacts_async.cli.options.config_option import ConfigOption
from wxcontacts_async.cli.options.gateway_options import GatewayOptions, read_again

processes = pytest.mark.processes

_WHOLE = """\
store = "sqlite:///kept.db"
from = ["w_ids.tsv", "-"]
every = "10m"
fields = ["remark"]

[initialization]
interval = 2
timeout = "none"

[retry]
attempts = 3
initial_delay = 0.25
max_delay = 8

[gateways.east]
base_url = "http://east.example:18081"
max_concurrency = 64
max_rate = 200
connect_timeout = 5
request_timeout = 30.5
max_reply_bytes = 1048576
outage_timeout = 0
proxy = "http://proxy.example:3128"

[gateways.east.headers]
Authorization = { env = "EAST_TOKEN" }
X-Plain = "as it stands"

[gateways.west]
base_url = "https://west.example"
headers = { Authorization = { file = "west.token" } }
ssl = false
"""


def _config(folder: Path, text: str) -> Config:
    file = folder / "wxcontacts.toml"
    file.write_text(text)
    return Config(file)


def _read_whole(folder: Path, text: str) -> None:
    config = _config(folder, text)
    config.gateways()
    config.initialization()


def test_it_has_every_setting_of_a_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAST_TOKEN", "Bearer of the east")
    (tmp_path / "west.token").write_text("Bearer of the west\n")

    config = _config(tmp_path, _WHOLE)
    gateways = config.gateways()

    assert gateways == {
        "east": Gateway(
            "http://east.example:18081",
            headers={"Authorization": "Bearer of the east", "X-Plain": "as it stands"},
            max_concurrency=64,
            max_rate=200.0,
            connect_timeout=5.0,
            request_timeout=30.5,
            max_reply_bytes=1_048_576,
            outage_timeout=0.0,
            proxy="http://proxy.example:3128",
        ),
        "west": Gateway(
            "https://west.example", headers={"Authorization": "Bearer of the west"}, ssl=False
        ),
    }
    assert config.initialization() == InitializationWait(2.0, timeout=None)
    assert config.retry() == RetryPolicy(3, initial_delay=0.25, max_delay=8.0)
    assert config.store == f"sqlite:///{tmp_path}/kept.db"
    assert config.sources == [str(tmp_path / "w_ids.tsv"), "-"]
    assert config.every == "10m"
    assert config.settings.fields == ["remark"]


def test_what_it_does_not_say_is_as_without_it(tmp_path: Path) -> None:
    config = _config(tmp_path, '[gateways.east]\nbase_url = "http://east.example"\n')

    assert config.gateways() == {"east": Gateway("http://east.example")}
    assert config.initialization() == InitializationWait()
    assert config.retry() == RetryPolicy()
    assert (config.store, config.sources, config.every) == (None, [], None)


_GATEWAY = '[gateways.east]\nbase_url = "http://e"\n'
_WRONG: Mapping[str, tuple[str, str]] = {
    "no TOML": ("store = \n", "is no TOML: Invalid value (at line 1, column 9)"),
    "an unknown key": ("\nstoer = 'hidden'\n", ", line 2: stoer is no setting"),
    "an unknown key of a gateway": (
        f"{_GATEWAY}\n# here\nmax_rates = 1\n",
        ", line 5: gateways.east.max_rates is no setting",
    ),
    "an unknown key of another table": (
        "[retry]\nattempts = 1\ntries = 1\n",
        ", line 3: retry.tries is no setting",
    ),
    "a type": (
        f'{_GATEWAY}max_rate = "hidden"\n',
        ", line 3: gateways.east.max_rate is wrong: expected `float | null`, got `str`",
    ),
    "a bound": (
        f"{_GATEWAY}max_concurrency = 0\n",
        ", line 3: gateways.east.max_concurrency must be a whole number of at least 1",
    ),
    "a bound of another table": (
        "[initialization]\n\ninterval = -1\n",
        ", line 3: initialization.interval must be a number of at least 0",
    ),
    "no URL": ("\n[gateways.east]\nmax_rate = 1\n", ", line 2: gateways.east.base_url is missing"),
    "credentials in a URL": (
        "[gateways.east]\nbase_url = 'http://hidden:hidden@e'\n",
        ", line 2: gateways.east.base_url must hold no credentials",
    ),
    "a name": ("[gateways.'a b']\nbase_url = 'http://e'\n", ", line 1: gateways.a b the name of a"),
    "a variable that is not set": (
        f"{_GATEWAY}headers = {{ A = {{ env = 'NOT_SET' }} }}\n",
        ", line 3: gateways.east.headers.A is empty, as the variable NOT_SET of the environment",
    ),
    "a file that is absent": (
        f"{_GATEWAY}[gateways.east.headers]\nA = 'hidden'\nB = {{ file = 'absent' }}\n",
        "absent' cannot be read: No such file or directory",
    ),
    "two places of a secret": (
        f"{_GATEWAY}headers = {{ A = {{ env = 'A', file = 'b' }} }}\n",
        ", line 3: gateways.east.headers.A must have env or file, one of them",
    ),
    "an unknown place of a secret": (
        f"{_GATEWAY}headers = {{ A = {{ vault = 'hidden' }} }}\n",
        ", line 3: gateways.east.headers.A.vault is no setting",
    ),
    "a header that is none": (
        f"{_GATEWAY}headers = {{ 'A: hidden' = 'x' }}\n",
        ", line 3: gateways.east.headers must have HTTP field names",
    ),
    "a header's value": (
        f'{_GATEWAY}[gateways.east.headers]\nA = "x"\nB = "hidden\\n"\n',
        ", line 5: gateways.east.headers.B must be text without control characters",
    ),
    "a certificate": (
        f"{_GATEWAY}ssl = {{ ca = 'absent' }}\n",
        ", line 3: gateways.east.ssl 'absent' cannot be read: No such file",
    ),
    "a proxy": (
        f"{_GATEWAY}proxy = 'socks5://hidden'\n",
        ", line 3: gateways.east.proxy must be like 'http://proxy",
    ),
    "a time": ("every = 'soon'\n", ", line 1: every must be a time like 90s, 10m, 1h or 2d"),
    "a database": ("store = 'mysql://hidden'\n", ", line 1: store must begin with sqlite:/// or"),
    "a field": ('fields = ["wId"]\n', ", line 1: fields must not be wId, which is there already"),
    "a file of wIds": ("from = 1\n", ", line 1: from is wrong: expected `str | array | null`"),
}


@pytest.mark.parametrize(("text", "said"), _WRONG.values(), ids=_WRONG)
def test_what_is_wrong_is_named_with_its_key_and_line_and_no_value(
    text: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        _read_whole(tmp_path, text)

    assert caught.value.param_hint == "'--config'"
    message = caught.value.message.replace(f"{tmp_path}/", "")
    assert message.startswith("'wxcontacts.toml'")
    assert said in message
    assert "hidden" not in message


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (["a"], 1),
        (["b"], 4),
        (["c", "d"], 9),
        (["c", "e"], 10),
        (["c", "e", "f"], 10),
        (["g", "h"], 12),
        (["i", "j"], 14),
        (["absent"], None),
        (["a", "absent"], None),
    ],
)
def test_the_line_of_a_key_is_where_it_begins(keys: list[str], line: int | None) -> None:
    text = (
        'a = 1\n# b = 2\n\nb = [\n 1,\n 2,\n]\n[c]\nd = "#"\ne = { f = 1 }\n'
        "[g]\r\n  h = '''\n[i]'''\n[ i . j ]\n"
    )
    assert line_of(text, keys) == line


def test_it_is_read_again_and_kept_as_it_was_if_it_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "wxcontacts.toml"
    file.write_text(_GATEWAY)
    option = ConfigOption(str(file))
    file.write_text(_GATEWAY.replace("east", "west"))
    option.read_again()
    assert [*option.config.gateways()] == ["west"]

    for wrong in ("[", f"{_GATEWAY}max_rate = 0\n", "[retry]\nattempts = 0\n"):
        file.write_text(wrong)
        with pytest.raises(typer.BadParameter):
            option.read_again()
        assert [*option.config.gateways()] == ["west"]


def _options(*arguments: str) -> GatewayOptions:
    group: Any = typer.main.get_command(app)
    command = group.commands["watch"]
    context = command.make_context("watch", ["--every", "1h", *arguments])
    names = {field.name for field in fields(GatewayOptions)} - {"context"}
    return GatewayOptions(context=context, **{name: context.params[name] for name in names})


def test_all_is_read_again_together_or_kept_as_it_was(tmp_path: Path) -> None:
    file, listed = tmp_path / "wxcontacts.toml", tmp_path / "w_ids"
    listed.write_text("one,east\n")
    file.write_text(f'from = "w_ids"\n{_GATEWAY}max_rate = 7\n')
    options = _options("--config", str(file), "--max-concurrency", "3")
    settings = options.read()
    sources = options.instances([], [], settings)
    assert sources.read()[0] == [Instance("one", gateway="east")]

    listed.write_text("one,west\ntwo,east\n")
    file.write_text(f'from = "w_ids"\n{_GATEWAY}[gateways.west]\nbase_url = "http://w"\n')
    settings, instances = read_again(options, [], [], sources)
    assert settings.gateways == {
        "east": Gateway("http://e", max_concurrency=3),
        "west": Gateway("http://w", max_concurrency=3),
    }
    assert instances == [Instance("one", gateway="west"), Instance("two", gateway="east")]

    file.write_text("[")
    with pytest.raises(typer.BadParameter, match="is no TOML"):
        read_again(options, [], [], sources)
    assert options.read() == settings
    assert sources.read()[0] == instances


# From the command


@processes
def test_options_go_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "listed").write_text("one,east\n")
    with recording(reply_with("a")) as east, recording(reply_with("b")) as other:
        (tmp_path / "c.toml").write_text(
            'store = "sqlite:///of_file.db"\nfrom = "listed"\n'
            f'[gateways.east]\nbase_url = "{east.url}"\nheaders = {{ A = "1", B = "2" }}\n'
        )

        def sync(*arguments: str, **variables: str) -> int:
            return run("sync", *arguments, folder=tmp_path, variables=variables).code

        config = ("--config", "c.toml")
        assert sync(*config, "--header", "b: 3") == 0
        assert sync(WXCONTACTS_CONFIG="c.toml", WXCONTACTS_STORE="sqlite:///of_env.db") == 0
        assert sync(*config, "--to", "sqlite:///of_option.db", WXCONTACTS_STORE="nonsense") == 0
        assert sync(*config, "two", "--gateway", other.url) == 0
        changes = run("changes", *config, folder=tmp_path)

    assert [headers.get("A") for headers in east.headers] == ["1", "1", "1"]
    assert [headers.get("B") or headers.get("b") for headers in east.headers] == ["3", "2", "2"]
    assert [east.w_ids.get() for _ in range(3)] == ["one"] * 3
    assert other.w_ids.get() == "two"
    assert "A" not in other.headers[0]
    assert {file.name for file in tmp_path.glob("of_*.db")} == {
        "of_file.db",
        "of_env.db",
        "of_option.db",
    }
    assert {json.loads(line)["wId"] for line in changes.output.splitlines()} == {"one", "two"}


@processes
def test_own_fields_of_the_file_are_kept(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('fields = ["remark"]\n')
    friend = {"userName": "a", "remark": "from the fair", "other": 1}
    body = json.dumps({"code": "1000", "data": {"friend": [friend]}}).encode()
    with recording(body) as server:
        fetched = run(
            *("fetch", "one", "--gateway", server.url, "--config", "c.toml"), folder=tmp_path
        )

    (line,) = map(json.loads, fetched.output.splitlines())
    assert line["remark"] == "from the fair"
    assert "other" not in line


@processes
def test_watch_takes_every_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('every = "0.01s"\n')

    ended = run("watch", "one", "--config", "c.toml", folder=tmp_path)

    assert ended.code == 2
    assert "--every" in ended.messages
    assert "at least 0.1s" in ended.messages


@processes
def test_certificates_of_the_file_are_shown_and_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = server_context(authority, "127.0.0.1")
    with recording(reply_with("a"), tls=tls) as server:
        text = f'[gateways.east]\nbase_url = "{server.url}"\nssl = {{ ca = "ca.pem" }}\n'
        (tmp_path / "c.toml").write_text(text)
        trusted = run("fetch", "one", "--config", str(tmp_path / "c.toml"))
        (tmp_path / "c.toml").write_text(text.partition("ssl")[0])
        refused = run("fetch", "one", "--config", str(tmp_path / "c.toml"))

    assert (trusted.code, refused.code) == (0, 1)


@processes
def test_check_says_what_would_be_used_and_hides_secrets(tmp_path: Path) -> None:
    (tmp_path / "west.token").write_text("hidden\n")
    (tmp_path / "w_ids.tsv").write_text("one\teast\ntwo\twest\nthree\twest\n")
    (tmp_path / "c.toml").write_text(
        _WHOLE.replace(', "-"', "")
        .replace("sqlite:///kept.db", "postgresql://crm:hidden@database/crm")
        .replace("http://proxy", "http://crm:hidden@proxy")
        .replace("as it stands", "hidden")
    )
    check = ("config", "check", "--config", "c.toml")
    variables = {"EAST_TOKEN": "hidden"}
    checked = run(*check, "--attempts", "9", folder=tmp_path, variables=variables)
    lacking = run(*check, folder=tmp_path)

    assert (checked.code, checked.messages) == (0, "")
    assert "hidden" not in checked.output
    said = tomllib.loads(checked.output)
    assert said["store"] == "postgresql://crm:***@database/crm"
    assert said["from"] == ["w_ids.tsv"]
    assert (said["every"], said["fields"]) == ("10m", ["remark"])
    assert said["initialization"] == {"interval": 2, "timeout": "none"}
    assert said["retry"] == {"attempts": 9, "initial_delay": 0.25, "max_delay": 8}
    east, west = said["gateways"]["east"], said["gateways"]["west"]
    assert east["headers"] == {"Authorization": "***", "X-Plain": "***"}
    assert east["proxy"] == "http://crm:***@proxy.example:3128"
    assert (east["max_concurrency"], east["max_rate"]) == (64, 200)
    assert (west["max_concurrency"], west["ssl"]) == (32, False)
    assert '[gateways."west"]  # 2 instances' in checked.output
    assert lacking.code == 2
    assert "EAST_TOKEN" in lacking.messages
    assert "line 26: gateways.east.headers.Authorization" in lacking.messages


@processes
def test_check_without_a_file_says_the_defaults(tmp_path: Path) -> None:
    checked = run("config", "check", folder=tmp_path)

    assert checked.code == 0
    said = tomllib.loads(checked.output)
    assert said["store"] == "sqlite:///contacts.db"
    assert list(said["gateways"]) == ["http://localhost:18081"]


@processes
def test_a_file_that_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("\nstoer = 'hidden'\n")
    for arguments in (("fetch", "x"), ("changes",), ("config", "check")):
        ended = run(*arguments, "--config", "c.toml", folder=tmp_path)

        assert ended.code == 2
        assert "'c.toml', line 2: stoer is no setting" in ended.messages
        assert "hidden" not in ended.messages
        assert not ended.has_traceback
