"""Groups that are known where their members are not: the union of the members is what they tell about.

Somebody drew mitochondria whole in one crop, their membrane and lumen in another. Where only the whole is
known, the members' probabilities still have to add up to it: that at least one of them is there has the
probability 1 - prod(1 - p_m), the members taken as independent, and that is compared with the group's truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from organelle.classes import class_named, members_of
from organelle.train.losses.sums import working_type


@dataclass(frozen=True)
class Union:
    """A group among the classes all of whose members are among them, too; numbers are channels."""

    group: int
    members: tuple[int, ...]


def unions_of(classes: Sequence[str]) -> tuple[Union, ...]:
    """The groups among `classes` all of whose members are there, in the order of `classes`.

    Names that are not in the table of classes (channels like `mito/distance`) take no part.
    """
    place = {name: i for i, name in enumerate(classes)}
    found = []
    for name, i in place.items():
        members = [] if "/" in name else [m.name for m in members_of(class_named(name))]
        if members and all(member in place for member in members):
            found.append(Union(i, tuple(place[member] for member in members)))
    return tuple(found)


def union_truth(target: Tensor, known: Tensor, unions: Sequence[Union]) -> tuple[Tensor, Tensor]:
    """What is to be compared: the groups' truth, and where it says something new.

    That is where the group is known, some member is not, and none is known to be there: a member that is
    there explains its group by itself.

    Args:
        target: [batch, class, ...], present where above 0.
        known: the same shape, bool.
        unions: at least one.

    Returns:
        target and known, both [batch, union, ...].
    """
    groups, news = [], []
    for union in unions:
        unexplained = torch.zeros_like(known[:, 0])
        explained = torch.zeros_like(unexplained)
        for m in union.members:
            unexplained |= ~known[:, m]
            explained |= known[:, m] & (target[:, m] > 0)
        groups.append(target[:, union.group])
        news.append(known[:, union.group] & unexplained & ~explained)
    return torch.stack(groups, 1), torch.stack(news, 1)


def union_logits(logits: Tensor, known: Tensor, unions: Sequence[Union]) -> Tensor:
    """log(U / (1 - U)) with U = 1 - prod(1 - p_m) over the members that are unknown at a voxel.

    Members known to be absent have no part in the union; minus infinity where no member is unknown.
    Worked out from two logits at a time without ever leaving the logarithm, as for a and b

        U / (1 - U) = (1 + e^a) (1 + e^b) - 1 = e^a + e^b + e^(a + b),

    so nothing rounds to 0 or 1, however sure the members are. The gradient by a member is p_m / U.

    Args:
        logits: [batch, class, ...].
        known: the same shape, bool.
        unions: at least one.

    Returns:
        [batch, union, ...] in float32, or float64 for logits of float64.
    """
    result: Tensor = _UnionLogits.apply(logits, known, tuple(unions))  # type: ignore[no-untyped-call]
    return result


class _UnionLogits(torch.autograd.Function):
    """`union_logits` with its gradient."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, known: Tensor, unions: tuple[Union, ...]) -> Tensor:
        parts = []
        for union in unions:
            joint = _doubtful(logits, known, union.members[0])
            for m in union.members[1:]:
                other = _doubtful(logits, known, m)
                joint = torch.logaddexp(torch.logaddexp(joint, other), joint + other)
            parts.append(joint)
        result = torch.stack(parts, 1)
        ctx.unions = unions
        ctx.save_for_backward(logits, known, result)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        logits, known, result = ctx.saved_tensors
        gradient = torch.zeros_like(logits)
        for i, union in enumerate(ctx.unions):
            slope = outputs[0][:, i]
            used = slope != 0
            whole = logsigmoid(result[:, i])
            for m in union.members:
                share = torch.exp(logsigmoid(_doubtful(logits, known, m)) - whole)
                gradient[:, m] += torch.where(used, slope * share, 0).to(logits.dtype)
        return gradient, None, None


def _doubtful(logits: Tensor, known: Tensor, member: int) -> Tensor:
    """The logits of a member where it is unknown; minus infinity, never there, where it is known."""
    return torch.where(known[:, member], -torch.inf, logits[:, member]).to(working_type(logits))
