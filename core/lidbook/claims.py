"""What an engine says of itself, held against its code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lidbook.capabilities import Capability, Claim, absent, full


@dataclass(frozen=True, slots=True)
class Provision:
    """How far the code of an engine goes for one capability."""

    lacking: tuple[str, ...] = ()
    """What is missing before it is provided, each in words."""
    is_begun: bool = False
    """Whether something is missing and something is there: half of it serves nobody."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return not self.lacking

    @property
    def lack(self) -> str:
        """What is missing, in one clause."""
        return " and ".join(self.lacking)


def held_against(
    claims: Mapping[Capability, Claim], provision_of: Callable[[Capability], Provision], name: str
) -> Mapping[Capability, Claim]:
    """Level and note of the engine `name` for every capability; `TypeError` with every fault there is."""
    matrix: dict[Capability, Claim] = {}
    faults = [f"{key}: there is no such capability" for key in claims if key not in set(Capability)]
    for capability in Capability:
        claim, provision = claims.get(capability), provision_of(capability)
        fault = _fault(claim, provision)
        if fault is not None:
            faults.append(f"{capability.value}: {fault}")
        matrix[capability] = claim or (full() if provision.is_whole else absent("not provided"))
    if faults:
        raise TypeError(f"engine {name!r} claims what it does not do, or the reverse:\n  " + "\n  ".join(faults))
    return matrix


def _fault(claim: Claim | None, provision: Provision) -> str | None:
    """What is wrong with one claim, None when it is borne out."""
    if claim is not None and claim.provided and not provision.is_whole:
        return f"claimed {claim.level.value}, but {provision.lack}"
    if provision.is_begun:
        return f"provided by half, for {provision.lack}; write all of it, or nothing"
    if claim is None and not provision.is_whole:
        return "not provided, so it needs a claim with a note that says why"
    if claim is not None and not claim.provided and provision.is_whole:
        return f"claimed {claim.level.value}, but it is provided; drop the claim or the code"
    return None
