"""Fetching rows by index, for indices that are known to be valid."""

from __future__ import annotations

from jaxtyping import Array, Int, Shaped


def take(values: Shaped[Array, "rows *channels"], indices: Int[Array, "*places"]) -> Shaped[Array, "*places *channels"]:
    """``values[indices]`` without the checks for negative and overlong indices, which cost as much as the fetching."""
    return values.at[indices].get(mode="promise_in_bounds", wrap_negative_indices=False)
