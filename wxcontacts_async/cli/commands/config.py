"""The `config` command: shows what a configuration file comes to."""

import typer

from wxcontacts_async import Instance
from wxcontacts_async.cli.options import gateway_options as options
from wxcontacts_async.cli.options import store_options as stores
from wxcontacts_async.cli.options.config_summary import described
from wxcontacts_async.cli.options.option_groups import with_option_groups


@with_option_groups
def check(
    *,
    w_ids: options.WIds = None,
    sources: options.Sources = None,
    to: stores.ToStore = stores.DEFAULT_STORE,
    gateway_options: options.GatewayOptions,
) -> None:
    """Say what a command with these options would use, without calling or opening anything.

    That is --config and the environment, and the options given here. What is printed is TOML,
    in which headers, passwords and keys are ***. All files that are named are read.

    Exit code: 0 all can be used, 2 something cannot, with its key and line.
    """
    settings = gateway_options.read()
    instances: list[Instance] = []
    given = gateway_options.instances(w_ids or (), sources or (), settings)
    if given.files or w_ids:
        instances, _ = given.read()
    for line in described(gateway_options.context, settings, given.files, instances, to):
        typer.echo(line)
