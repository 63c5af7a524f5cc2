"""The instances of a command, each at its gateway."""

from collections.abc import Collection, Iterable, Sequence

from wxcontacts_async import Instance, InvalidArgumentError
from wxcontacts_async.cli.options.usage import requirement, wrong
from wxcontacts_async.cli.options.w_id_files import FoundWId
from wxcontacts_async.cli.options.w_ids import Sources
from wxcontacts_async.instance import check_one_gateway
from wxcontacts_async.validation import check_w_id


class InstanceSources(Sources[Instance]):
    """Instances, of which each wId is on one gateway.

    Arguments:
        arguments: wIds.
        files: Files with wIds, and their gateways where there are several; `-` is standard input.
        gateways: The names of the gateways.

    """

    def __init__(
        self, arguments: Sequence[str], files: Sequence[str], gateways: Collection[str]
    ) -> None:
        self._gateways = gateways
        super().__init__(arguments, files, self._instance)

    def read_anew(self, files: Sequence[str], gateways: Collection[str]) -> list[Instance]:
        """Read these files instead, with these gateways; what standard input said is kept.

        If one cannot be used, it raises typer.BadParameter.
        """
        self._gateways = gateways
        self._given = self._converted()
        self._open(files)
        return self.read()[0]

    def _instance(self, found: FoundWId) -> Instance:
        check_w_id(found.w_id)
        return Instance(found.w_id, gateway=self._gateway(found.gateway))

    def _gateway(self, named: str | None) -> str:
        if named is not None and named in self._gateways:
            return named
        if len(self._gateways) == 1:
            (only,) = self._gateways
            # One without a name is called by its URL, which may have been another one.
            if named is None or ("://" in named and "://" in only):
                return only
        # What was read is not shown, as it may be contacts.
        known = " or ".join(map(repr, self._gateways))
        if named is None:
            msg = f"gateway must be named: {known}, in a second column of a --from FILE"
        else:
            msg = f"gateway must be {known}, if there is a second column or a key gateway"
        raise InvalidArgumentError(msg, argument="gateway")

    def _check(self, items: Iterable[Instance]) -> None:
        try:
            check_one_gateway(items)
        except InvalidArgumentError as error:
            raise wrong("W_ID", requirement(error)) from None
