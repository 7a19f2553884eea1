"""What may be asked of a network that follows every object by itself."""

from __future__ import annotations

from ermu.errors import OptionError
from ermu.registries import POLICIES
from ermu.runtime.bundle.manifest import WHOLE
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.images.labels import MOST_GROUPS
from ermu.runtime.memory.objects.bank import Limits
from ermu.runtime.memory.options import PRESENT, MemoryOptions
from ermu.runtime.memory.scored_policy import ScoredPolicy

FIFO = "fifo"  # as published; it is the banks' own, and asks nobody


def is_scored(policy: str) -> bool:
    """Whether a policy chooses by what frames are worth."""
    return issubclass(POLICIES.get(policy), ScoredPolicy)


def policies_of(manifest: ObjectManifest) -> list[str]:
    """Names of the policies that serve a network; those that score need a graph of it."""
    scores = manifest.plans[WHOLE].score is not None
    return [name for name in POLICIES.names() if name == FIFO or (scores and is_scored(name))]


def check_options(manifest: ObjectManifest, options: MemoryOptions) -> None:
    """Refuses what a network that follows every object by itself has no use for.

    Raises:
        OptionError: a policy that does not serve it, a bank that is too large, identity channels without an
            object, or fewer groups.
    """
    name, rows = manifest.network.name, len(manifest.memory_rows)
    _check_policy(manifest, options.policy)
    if options.capacity > rows:
        raise OptionError(
            f"Capacity {options.capacity} is too large for the network {name}.",
            expected=f"at most {rows}: it tells so many memory frames apart",
        )
    room, most = Limits(options.capacity, 1).memory_room, POLICIES.get(options.policy).max_capacity
    if options.policy != FIFO and most is not None and room > most:
        raise OptionError(
            f"Capacity {options.capacity} is too large for the policy {options.policy}.",
            expected=f"at most {options.capacity - room + most}: with prompted frames it is {most} then",
            fix=f"--policy {FIFO}",
        )
    if options.identities != PRESENT:
        raise OptionError(f"The network {name} has no identities.", expected=f"--identities {PRESENT}")
    if options.max_groups != MOST_GROUPS:
        raise OptionError(
            f"The network {name} has no groups: every object is followed by itself, and none makes room.",
            fix="leave --max-groups out",
        )


def _check_policy(manifest: ObjectManifest, policy: str) -> None:
    name = manifest.network.name
    if policy == FIFO:
        return
    if not is_scored(policy):
        raise OptionError(
            f"The policy {policy} does not serve the network {name}.",
            expected=", ".join(policies_of(manifest)),
            fix=f"--policy {FIFO}",
        )
    if manifest.plans[WHOLE].score is None:
        raise OptionError(
            f"The policy {policy} does not serve the network {name}.",
            expected=FIFO,
            fix=f"export the bundle again, it has no graph 'score'; or --policy {FIFO}",
        )
