"""Heads of question answering, video entailment and captioning: published sizes, padding, losses by hand."""

import numpy as np
import pytest
import torch

from ml.distributed import gather
from ml.hero.downstream.captioning import CaptionDecoder, caption_loss, caption_rows, clip_frames, write_greedily
from ml.hero.downstream.question_answering import AnswerHead, accuracy, answer_loss, answer_rows
from ml.hero.downstream.video_entailment import StatementHead, judged_true, statement_losses


def millions(module):
    return round(sum(parameter.numel() for parameter in module.parameters()) / 1e6, 2)


def test_heads_are_as_large_as_the_published_ones():
    assert millions(AnswerHead(768)) == 2.37
    assert millions(StatementHead(768)) == 1.19
    assert millions(CaptionDecoder(768, 12)) == 19.69


def test_padding_does_not_change_answers():
    torch.manual_seed(0)
    head, frames = AnswerHead(8), torch.randn(2, 4, 6, 8)
    mask = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    answers, start, _ = head(frames, mask)
    other = torch.where(mask[:, None, :, None], frames, torch.randn_like(frames))
    torch.testing.assert_close(head(other, mask)[0], answers)
    torch.testing.assert_close(head(frames[1:, :, :3], mask[1:, :3])[0], answers[1:])
    assert start.softmax(1)[1, 3:].eq(0).all()


def test_a_question_without_a_moment_has_the_loss_of_its_answer_only():
    logits = (torch.zeros(2, 4), torch.zeros(2, 5), torch.zeros(2, 5))
    right, unknown = torch.tensor([0, 3]), torch.tensor([-1, -1])
    assert float(answer_loss(answer_rows(logits, right, unknown, unknown), gather)["loss"]) == pytest.approx(np.log(4))
    losses = answer_loss(answer_rows(logits, right, torch.tensor([2, -1]), torch.tensor([3, -1])), gather)
    assert float(losses["loss"]) == pytest.approx(np.log(4) + 0.4 * np.log(5))
    assert accuracy(torch.tensor([0, 1]), right) == 0.5


def test_a_statement_is_true_from_one_half():
    logits = torch.tensor([2.0, -1.0])
    assert judged_true(logits).tolist() == [True, False]
    expected = (np.log1p(np.exp(-2)) + np.log1p(np.exp(1))) / 2
    assert float(statement_losses(logits, torch.tensor([True, True])).mean()) == pytest.approx(expected)


def test_a_clip_has_at_least_one_frame_and_ends_with_the_video():
    assert clip_frames(3.0, 3.1, 1.5, 100) == (2, 3)
    assert clip_frames(3.0, 500.0, 1.5, 100) == (2, 100)
    with pytest.raises(ValueError, match="begins after frame 99"):
        clip_frames(151.0, 160.0, 1.5, 100)


def test_caption_loss_smooths_labels_and_leaves_padding_out():
    logits = torch.randn(1, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    chances = torch.log_softmax(logits[0], 1).numpy()
    expected = -np.mean([0.9 * chances[n, token] + 0.1 * chances[n].mean() for n, token in enumerate((2, 4))])
    assert float(caption_loss(caption_rows(logits, torch.tensor([[2, 4, 1]]), 1), gather)) == pytest.approx(expected)


def test_a_decoder_learns_to_write_what_each_clip_shows():
    torch.manual_seed(0)
    decoder, words = CaptionDecoder(16, 2, dropout=0.0), torch.nn.Embedding(12, 16)
    frames, mask = torch.randn(3, 4, 16), torch.ones(3, 4, dtype=torch.bool)
    begin, end, padding = 0, 2, 1
    captions = torch.tensor([[5, 6, 7, 2], [8, 9, 2, 1], [10, 2, 1, 1]])
    inputs = torch.cat([torch.full((3, 1), begin), captions[:, :-1]], 1)
    optimiser = torch.optim.Adam([*decoder.parameters(), *words.parameters()], 3e-3)

    def output(states):
        return states @ words.weight.T

    for _ in range(120):
        optimiser.zero_grad()
        caption_loss(caption_rows(output(decoder(words(inputs), frames, mask)), captions, padding), gather).backward()
        optimiser.step()
    decoder.eval()
    assert write_greedily(decoder, words, output, frames, mask, begin, end) == [[5, 6, 7], [8, 9], [10]]
    # A token does not depend on later ones.
    ahead = decoder(words(inputs), frames, mask)[:, :2]
    torch.testing.assert_close(decoder(words(inputs[:, :2]), frames, mask), ahead)
