"""Losses of the joint embedding: max-margin ranking (HowTo100M section 4.3), and MIL-NCE."""

from __future__ import annotations

import torch
from torch.nn import functional


def max_margin_ranking_loss(
    scores: torch.Tensor, video_of_pair: torch.Tensor, margin: float = 0.1, intra_video_share: float = 0.5
) -> torch.Tensor:
    """``L = 1/n² Σ_ij m_ij ([δ + x_ij − x_ii]₊ + [δ + x_ij − x_jj]₊)``, diagonal included.

    Pairs of one video are hard negatives. Their weight is ``m = B h``, that of pairs of different videos
    ``m = B (1 − h) / (B − 1)``, so that hard negatives have the share h of the total weight. As in the published code
    the sum includes the diagonal, a constant without gradient. With one pair per video there are no hard negatives,
    with one video there are only hard negatives; then ``m = 1``.

    Args:
        scores: ``x[text, video]``, clip i belonging to caption i.
        video_of_pair: number of the video of each pair ``[n]``; all videos have equally many pairs.
        margin: δ.
        intra_video_share: h.
    """
    own, videos = scores.diagonal(), len(video_of_pair.unique())
    same = video_of_pair[:, None] == video_of_pair[None, :]
    return ranking_loss_of_rows(scores, own, own, same, videos, margin, intra_video_share)


def ranking_loss_of_rows(
    scores: torch.Tensor,
    own: torch.Tensor,
    all_own: torch.Tensor,
    same: torch.Tensor,
    videos: int,
    margin: float,
    intra_video_share: float,
) -> torch.Tensor:
    """The part of some captions in the loss; the parts of all captions add up to the loss.

    Args:
        scores: ``x[rows, n]`` of these captions with all clips.
        own: ``x_ii[rows]`` of these captions; all_own: ``x_jj[n]`` of all pairs.
        same: whether a caption and a clip are of one video ``[rows, n]``.
        videos: number of videos of all pairs.
        margin, intra_video_share: as for ``max_margin_ranking_loss``.
    """
    cost = functional.relu(margin + scores - own[:, None]) + functional.relu(margin + scores - all_own[None, :])
    pairs = scores.shape[1]
    if 1 < videos < pairs:
        intra, inter = videos * intra_video_share, videos * (1 - intra_video_share) / (videos - 1)
        cost = cost * torch.where(same, scores.new_full((), intra), scores.new_full((), inter))
    return cost.sum() / pairs**2


def mil_nce_loss(scores: torch.Tensor) -> torch.Tensor:
    """``−mean_i log( Σ_c e^x[i,i,c] / (Σ_jc e^x[i,j,c] + Σ_jc e^x[j,i,c]) )``, of MIL-NCE.

    Args:
        scores: ``x[clip, owner, candidate]``: each clip with each candidate caption of each clip; dot products.
            The captions of clip i are its bag of positives; as published, both sums in the denominator include them.
    """
    positives = scores.diagonal().T.logsumexp(1)  # diagonal() puts the shared index last: [candidate, clip]
    rows, columns = scores.logsumexp((1, 2)), scores.logsumexp((0, 2))
    return (torch.logaddexp(rows, columns) - positives).mean()
