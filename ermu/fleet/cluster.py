"""Ray, which nothing else here knows: a cluster joined or started, actors in it, what it has free."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any, TypeVar

from ermu.closing import Closing
from ermu.devices.processors import usable_processors
from ermu.errors import DependencyError, ErmuError, OptionError
from ermu.fleet.worker.settings import WorkerSettings
from ermu.runtime.config.schema import LOCAL, FleetSection, Resources

NAMESPACE = "ermu"
T = TypeVar("T")
_STORE = 80_000_000  # bytes, Ray's least: frames never pass through the object store
_TRIES = 3  # to start one: its parts have 15 seconds to load, which a busy machine may take longer than


class WorkerLostError(ErmuError):
    """A worker's process or node is gone."""

    def __init__(self, worker: str, why: str) -> None:
        super().__init__(
            f"The worker {worker} is lost: {why}", fix="its streams go on elsewhere by themselves"
        )


def need_ray() -> None:
    """Raises `DependencyError` where Ray is not installed; imports nothing."""
    if find_spec("ray") is None:
        raise DependencyError("ray", "A fleet", "fleet")


def _imported(*, local: bool) -> Any:
    """Ray's module; what it reads of the environment it reads when it is imported."""
    need_ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is ever sent anywhere
    os.environ.setdefault("RAY_worker_niceness", "0")  # frames are the work, not what is left for later
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # who reserved no GPU sees none
    if local:  # Ray listens on every address of the machine, so it asks for a token
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        if os.environ["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    return ray


class Cluster(Closing):
    """A Ray cluster, joined by its address or started on this machine; a local one ends with this process.

    Args:
        fleet: Says which, and what a worker reserves.
        cpus: Of a local one; None, this machine's.
        dashboard: Whether a local one has Ray's own dashboard.

    Raises:
        DependencyError: Ray is not installed.
        ErmuError: no cluster answers there.
    """

    def __init__(self, fleet: FleetSection, *, cpus: int | None = None, dashboard: bool = False) -> None:
        self.local = fleet.address == LOCAL
        self._ray = _imported(local=self.local)
        common: dict[str, Any] = {"namespace": NAMESPACE, "logging_level": "ERROR"}
        if self.local:
            common |= {
                "num_cpus": cpus or usable_processors(),
                "include_dashboard": dashboard,
                "object_store_memory": _STORE,
            }
        for tries_left in reversed(range(_TRIES if self.local else 1)):
            try:
                self._ray.init(address=fleet.address, **common)
                return
            except Exception as error:  # Ray has many
                self.close()
                if not tries_left:
                    raise self._refused(fleet.address, error) from error

    def start(self, settings: WorkerSettings) -> Any:
        """Asks for a worker's process; Ray places it where there is room. Returns its handle at once."""
        from ermu.fleet.worker.actor import StreamWorker

        actor = self._ray.remote(StreamWorker)
        options = {"max_restarts": 0, "max_concurrency": 8, "scheduling_strategy": "SPREAD"}
        return actor.options(num_cpus=settings.cpus, num_gpus=settings.gpus, **options).remote(settings)

    def call(self, name: str, handle: Any, method: str, *arguments: Any, seconds: float) -> Any:
        """Has a worker do something, and waits.

        Raises:
            WorkerLostError: its process or node is gone.
            TimeoutError: it takes longer than that.
            ErmuError: whatever the method raised.
        """
        return self.result(name, self.ask(handle, method, *arguments), seconds=seconds)

    def ask(self, handle: Any, method: str, *arguments: Any) -> Any:
        """Has a worker do something; returns what `result` and `answered` take."""
        return getattr(handle, method).remote(*arguments)

    def result(self, name: str, asked: Any, *, seconds: float) -> Any:
        """What came of it; raises as `call`."""
        from ray import exceptions

        try:
            return self._ray.get(asked, timeout=seconds)
        except exceptions.GetTimeoutError:
            raise TimeoutError(f"the worker {name} does not answer within {seconds:g} s") from None
        except exceptions.ActorUnavailableError:  # it may come back, or be declared dead
            raise TimeoutError(f"the worker {name} cannot be reached") from None
        except (exceptions.RayActorError, exceptions.WorkerCrashedError) as error:
            raise WorkerLostError(name, str(error).strip().splitlines()[-1]) from error
        except exceptions.RayTaskError as error:
            raise error.cause from None

    def tasks(self, function: Any, common: Any, each: Sequence[T], *, cpus: int) -> dict[Any, T]:
        """Has a function called in processes of the cluster, once for each; returns whose each answer is.

        A call whose process ends is made anew, twice.

        Args:
            function: Takes `common` and one of them.
            common: Goes to each process once.
            each: What the calls differ in.
            cpus: That each call takes.

        Raises:
            OptionError: a call takes more than a local cluster has: Ray would wait for ever.
        """
        most = int(max((node.cpus for node in self.nodes().values()), default=0))
        if self.local and cpus > most:
            raise OptionError(
                f"A task takes {cpus} cores, this machine gives {most}.", fix=f"--threads {most}"
            )
        task = self._ray.remote(function).options(num_cpus=cpus, max_retries=2)
        shared = self._ray.put(common)
        return {task.remote(shared, one): one for one in each}

    def answered(self, asked: Sequence[Any], *, seconds: float, some: bool = False) -> set[Any]:
        """Which of them have an answer, once all have (or one, with `some`), or the time is over."""
        if not asked:
            return set()
        done, _ = self._ray.wait(list(asked), num_returns=1 if some else len(asked), timeout=seconds)
        return set(done)

    def end(self, handle: Any) -> None:
        """Ends a worker's process, however it is."""
        self._ray.kill(handle)

    def nodes(self) -> dict[str, Resources]:
        """What each node that lives has, by its id."""
        alive = (node for node in self._ray.nodes() if node["Alive"])
        return {node["NodeID"]: _resources(node["Resources"]) for node in alive}

    def free(self) -> Resources:
        """What nobody has reserved, over all nodes."""
        return _resources(self._ray.available_resources())

    def has_room(self, share: Resources, taken: Iterable[tuple[str, Resources]]) -> bool:
        """Whether one node has room for a worker more.

        Args:
            share: Of the worker.
            taken: Node and share of every worker that is there.
        """
        free, nodes = self.free(), self.nodes()
        for node, used in taken:
            if node in nodes:
                left = nodes[node]
                nodes[node] = Resources(
                    cpus=max(0.0, left.cpus - used.cpus), gpus=max(0.0, left.gpus - used.gpus)
                )
        return any(fits(share, each) for each in (nodes.values())) and fits(share, free)

    def close(self) -> None:
        """Leaves it; a local one ends. Twice is harmless."""
        self._ray.shutdown()

    def _refused(self, address: str, error: Exception) -> ErmuError:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if self.local:
            return ErmuError(
                f"Ray does not start on this machine: {said}",
                fix="look at /tmp/ray/session_latest/logs; a busy machine is too slow for Ray's own limits",
            )
        return ErmuError(
            f"No Ray cluster answers at {address}: {said}",
            fix="ray start --head on its machine; RAY_AUTH_MODE and RAY_AUTH_TOKEN as it has them",
        )


def local_resources(cpus: int | None = None, *, gpus: bool) -> Resources:
    """What a cluster that is started on this machine has to give.

    Args:
        cpus: Cores that it may give; None, those that this process may use.
        gpus: Whether GPUs are of interest: none is asked for otherwise.
    """
    from ermu.devices.cuda import device_count

    return Resources(cpus=float(cpus or usable_processors()), gpus=float(device_count() if gpus else 0))


def fits(share: Resources, free: Resources) -> bool:
    """Whether a share can be had of what is free."""
    return share.cpus <= free.cpus + 1e-6 and share.gpus <= free.gpus + 1e-6


def _resources(told: dict[str, float]) -> Resources:
    return Resources(cpus=float(told.get("CPU", 0)), gpus=float(told.get("GPU", 0)))
