"""Ray as an engine: a replica of the model on every card, or on every machine; a lost one costs its shard only."""

import logging
import os
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from esn_interp.errors import EsnError
from esn_interp.files import package_version
from esn_interp.scale.engines import Work

_AHEAD = 4  # shards a replica that may be done before an earlier one is, so that results do not pile up


@dataclass(frozen=True)
class OnRay:
    """Replicas of a model on a Ray cluster, one shard at a time each.

    Parameters
    ----------
    address
        Of a cluster: ``auto`` on one of its machines, ``ray://HOST:10001`` from outside; None starts Ray here.
    replicas
        At most so many; by default as many as there are cards for, without cards one a machine.
    gpus
        Cards of each replica; a model that needs several is spread over them by ``device_map``.
    retries
        How often a shard is given to another replica when its own is lost.
    """

    address: str | None = None
    replicas: int | None = None
    gpus: int = 0
    retries: int = 3

    def results(self, work: Work, shards: Sequence[Any]) -> Iterator[Any]:
        """What the work makes of each shard, in their order.

        Raises
        ------
        EsnError
            When Ray is not installed, there is no such cluster, it has too few cards, other machines have another
            version of this package, or a shard's replica is lost again and again.
        """
        with _session(self.address) as ray:
            count, cpus = self._room(ray)
            pool = _Pool(ray, work, min(count, len(shards)), {"num_cpus": cpus, "num_gpus": self.gpus}, self.retries)
            try:
                yield from pool.results(shards)
            finally:
                pool.close()

    def _room(self, ray: Any) -> tuple[int, int]:
        """How many replicas there is room for, and how many processor cores each is given."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if self.gpus:
            fit = [(int(node.get("GPU", 0) // self.gpus), int(node.get("CPU", 0))) for node in nodes]
            fit = [(fits, cores) for fits, cores in fit if fits]
            if not fit:
                cards = sum(int(node.get("GPU", 0)) for node in nodes)
                raise EsnError(
                    f"a replica wants {self.gpus} cards, and no machine of the cluster has so many (cards in all:"
                    f" {cards}); give fewer, or 0 to run on processors"
                )
            count = sum(fits for fits, _ in fit)
            return min(self.replicas or count, count), max(1, min(cores // fits for fits, cores in fit))
        cores = [max(1, int(node.get("CPU", 0))) for node in nodes]
        count = min(self.replicas or len(cores), sum(cores))
        each = -(-count // len(cores))
        return count, max(1, min(cores) // each)


@contextmanager
def _session(address: str | None) -> Generator[Any]:
    """Ray, connected; what was connected before stays so."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
    except ImportError:
        raise EsnError("the engine ray needs Ray: pip install 'esn-interp[ray]'") from None
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        options["include_dashboard"] = False
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EsnError(f"no Ray cluster at {address or 'this machine'}: {told}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


class _Replica:
    """One model in a process of its own."""

    def __init__(self) -> None:
        self._work: Work | None = None

    def run(self, held: Sequence[Any], shard: Any, version: str) -> tuple[bool, Any]:
        """That it is done, which is quickly asked for, and the result, which may be large.

        ``held`` is where the work is. It is fetched once, so that a model that it loads stays loaded; and here, so that
        what goes wrong with it is told.
        """
        import ray

        if (ours := package_version()) != version:
            raise EsnError(f"a worker has esn_interp {ours}, not {version}; install the same on all machines")
        if self._work is None:
            self._work = ray.get(held[0])
        assert self._work is not None
        return True, self._work(shard)


class _Pool:
    """Replicas, which are made when they are first needed, and made anew when they are lost."""

    def __init__(self, ray: Any, work: Work, count: int, needs: dict[str, Any], retries: int) -> None:
        self._ray, self._count, self._retries = ray, max(1, count), retries
        self._replica = ray.remote(_Replica).options(scheduling_strategy="SPREAD", **needs)
        self._held = [ray.put(work)]
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, int, Any]] = {}
        self._lost: Counter[int] = Counter()

    def results(self, shards: Sequence[Any]) -> Iterator[Any]:
        """What is made of each shard, in their order, whichever is done first."""
        waiting, done, following = deque(range(len(shards))), dict[int, Any](), 0
        while following < len(shards):
            self._give(shards, waiting, upto=following + _AHEAD * self._count)
            if following not in done:
                self._take(waiting, done, shards)
                continue
            try:
                result = self._ray.get(done.pop(following))
            except self._ray.exceptions.RayError as error:  # it was done, but the machine that kept it is gone
                self._again(following, waiting, error, len(shards))
                continue
            yield result
            following += 1

    def close(self) -> None:
        """Let go of all replicas."""
        for replica in [*self._idle, *(replica for replica, *_ in self._busy.values())]:
            self._ray.kill(replica)

    def _give(self, shards: Sequence[Any], waiting: "deque[int]", *, upto: int) -> None:
        """Give shards to whoever is idle, in order, but none too far ahead."""
        while waiting and waiting[0] < upto and len(self._busy) < self._count:
            replica = self._idle.pop() if self._idle else self._replica.remote()
            number = waiting.popleft()
            said, result = replica.run.options(num_returns=2).remote(self._held, shards[number], package_version())
            self._busy[said] = replica, number, result

    def _take(self, waiting: "deque[int]", done: dict[int, Any], shards: Sequence[Any]) -> None:
        """Wait until a shard is done, or its replica is lost."""
        (said,), _ = self._ray.wait(list(self._busy), num_returns=1)
        replica, number, result = self._busy.pop(said)
        try:
            self._ray.get(said)
        except self._ray.exceptions.RayTaskError as error:  # the work itself went wrong, as it would anywhere
            self._idle.append(replica)
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            self._again(number, waiting, error, len(shards))
        else:
            self._idle.append(replica)
            done[number] = result

    def _again(self, number: int, waiting: "deque[int]", error: Exception, of: int) -> None:
        """A shard is to be done by another replica, before all others."""
        self._lost[number] += 1
        if self._lost[number] > self._retries:
            raise EsnError(
                f"shard {number + 1} of {of}: its worker was lost {self._lost[number]} times"
                f" ({type(error).__name__}); does one fit into the memory of its machine?"
            ) from error
        waiting.appendleft(number)
