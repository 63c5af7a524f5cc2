"""Who has shown to be so far behind in a workload that further rounds would tell nothing new."""

from collections.abc import Iterable
from statistics import median

from benchmarks.contenders import Contender, on_loop_of
from benchmarks.measured import Run

# After so many rounds, the share of the library's contacts a CPU second that is too little.
_FAR_BEHIND = {1: 0.5, 2: 0.7}


def sits_out(contender: Contender, workload: str, runs: Iterable[Run]) -> bool:
    """Say whether a peer is left out of the rounds to come.

    It is if none of its rounds was better than that, unless it is the best of the peers on its
    loop.
    """
    if contender.role not in ("usual", "msgspec"):
        return False
    rates: dict[str, dict[int, float]] = {}
    for run in runs:
        if run.workload == workload and run.measured:
            found = rates.setdefault(run.contender, {})
            found[run.round] = run.measured.contacts_a_cpu_second
    mine = rates.get(contender.name, {})
    (library,) = on_loop_of(contender, "library")
    ratios = [
        rate / rates[library.name][number]
        for number, rate in mine.items()
        if number in rates.get(library.name, {})
    ]
    if not ratios or max(ratios) > _FAR_BEHIND[min(len(ratios), max(_FAR_BEHIND))]:
        return False
    peers = {peer.name for peer in on_loop_of(contender, "usual", "msgspec")}
    best = max(peers & set(rates), key=lambda name: median(rates[name].values()))
    return best != contender.name
