"""Which profiles are alike: trees by average linkage, as scipy builds them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist


@dataclass(frozen=True, eq=False)
class Tree:
    """A tree over things that have a profile.

    ``members`` are the things in it (those without a profile are left out), and ``merges`` is scipy's linkage
    matrix over them: what is joined with what, at which distance. ``order`` are the members as they stand
    side by side, such that neighbours are as alike as the tree allows.
    """

    members: tuple[int, ...]
    merges: Float64[np.ndarray, "merge 4"]
    order: tuple[int, ...]

    @classmethod
    def of(cls, members: tuple[int, ...], distances: Float64[np.ndarray, " pair"]) -> "Tree":
        """Average linkage of the distances between all pairs, in scipy's condensed order."""
        if len(members) < 2:
            return cls(members, np.zeros((0, 4)), members)
        merges = hierarchy.linkage(distances, method="average", optimal_ordering=True)
        return cls(members, merges, tuple(members[leaf] for leaf in hierarchy.leaves_list(merges)))

    @property
    def branches(self) -> Float64[np.ndarray, "merge corner 2"]:
        """Each merge as a bracket of four corners: where along `order` (from 0) they stand, and their height."""
        if not len(self.merges):
            return np.zeros((0, 4, 2))
        drawn = hierarchy.dendrogram(self.merges, no_plot=True)
        # scipy puts leaf i at 10 i + 5.
        return np.stack([(np.array(drawn["icoord"]) - 5) / 10, np.array(drawn["dcoord"])], axis=-1)


def profile_tree(share: Float64[np.ndarray, "row layer"]) -> Tree:
    """Rows by the Jensen-Shannon distance of their shares, base 2: 0 for the same profile, 1 for no common
    layer."""
    known = np.flatnonzero(~np.isnan(share).any(axis=1))
    # Equal profiles can come out as the root of a tiny negative number.
    apart = np.nan_to_num(_pairs(share[known], "jensenshannon")) / np.sqrt(np.log(2))
    return Tree.of(tuple(known.tolist()), apart)


def layer_tree(fold: Float64[np.ndarray, "row layer"]) -> Tree:
    """Layers by the root mean square difference of their fold enrichments over the rows."""
    known = fold[~np.isnan(fold).any(axis=1)]
    return Tree.of(tuple(range(fold.shape[1])), _pairs(known.T, "euclidean") / np.sqrt(max(1, len(known))))


def _pairs(
    profiles: Float64[np.ndarray, "thing value"], metric: Literal["jensenshannon", "euclidean"]
) -> Float64[np.ndarray, " pair"]:
    things, values = profiles.shape
    return pdist(profiles, metric) if things > 1 and values else np.zeros(things * (things - 1) // 2)
