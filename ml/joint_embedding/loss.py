"""The max-margin ranking loss with intra-video negatives (HowTo100M section 4.3)."""

from __future__ import annotations

import torch
from torch.nn import functional


def max_margin_ranking_loss(
    scores: torch.Tensor, video_of_pair: torch.Tensor, margin: float = 0.1, intra_video_share: float = 0.5
) -> torch.Tensor:
    """``L = 1/n² Σ_ij m_ij ([δ + x_ij − x_ii]₊ + [δ + x_ij − x_jj]₊)``, diagonal included.

    Pairs of one video are hard negatives. They weigh ``m = B h`` and pairs of different videos
    ``m = B (1 − h) / (B − 1)``, so that the former hold the share h of the total weight. As in the published code
    the diagonal is part of the sum, a constant without gradient. With one pair a video there are no such negatives,
    with one video no others; then ``m = 1``.

    Args:
        scores: ``x[text, video]``, clip i belonging to caption i.
        video_of_pair: number of the video of each pair ``[n]``, equally many pairs of each.
        margin: δ.
        intra_video_share: h.
    """
    pairs = len(scores)
    own = scores.diagonal()
    cost = functional.relu(margin + scores - own[:, None]) + functional.relu(margin + scores - own[None, :])
    videos = len(video_of_pair.unique())
    if 1 < videos < pairs:
        same = video_of_pair[:, None] == video_of_pair[None, :]
        intra = scores.new_tensor(videos * intra_video_share)
        inter = scores.new_tensor(videos * (1 - intra_video_share) / (videos - 1))
        cost = cost * torch.where(same, intra, inter)
    return cost.sum() / pairs**2
