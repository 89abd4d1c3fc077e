"""What a state says of the options of a multiple-choice question alone, the rest of the vocabulary left aside."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ccps.perturbation.head import Head
from ccps.perturbation.inputs import checked
from ccps.perturbation.rays import MAX_SCRATCH_BYTES, ray_blocks
from ccps.perturbation.softcap import soft_capped

_TOKENS_AT_ONCE = 256


def option_log_probs(hidden: Tensor, head: Head, spellings: Sequence[Sequence[int]], n_options: Tensor) -> Tensor:
    """Log-probability of each option among the options, that of an option being the sum over its spellings.

    Args:
        hidden: final-normed states that predict the answers' first tokens, `[answers, d]`.
        head: the model's output head.
        spellings: token ids of each letter, for as many letters as any question has options.
        n_options: `[answers]`, how many options each question has.

    Returns:
        float64 `[answers, letters]`; −inf beyond the last option, and for an option that is no token.
    """
    ids, owner = _flat(spellings)
    logits = hidden.float() @ head.weight[ids].float().T
    logits = soft_capped(logits if head.bias is None else logits + head.bias[ids], head.softcap).double()
    by_letter = [
        torch.logsumexp(logits[:, owner == letter], dim=1) if (owner == letter).any() else _nothing(logits)
        for letter in range(len(spellings))
    ]
    scores = torch.stack(by_letter, dim=1)
    beyond = torch.arange(len(spellings), device=scores.device)[None, :] >= n_options[:, None]
    return scores.masked_fill(beyond, -torch.inf).log_softmax(dim=1)


def option_radius(
    hidden: Tensor,
    head: Head,
    token_ids: Tensor,
    spellings: Sequence[Sequence[int]],
    n_options: Tensor,
    chosen: Tensor,
    *,
    max_scratch_bytes: int = MAX_SCRATCH_BYTES,
) -> Tensor:
    """Compute the smallest radius, along the gradient ray of the answer, at which another option overtakes.

    Logits are lines along the ray (see `ccps.perturbation.rays`), and an option is as high as its highest spelling. A
    token j of another option is above all tokens i of the chosen one where (S_j − S_i)·ε ≥ L_i − L_j for every i, an
    interval of radii; the radius is where the first of these intervals begins. A soft cap moves no crossing.

    Args:
        hidden: final-normed states, `[answers, d]`.
        head: the model's output head.
        token_ids: the token that each state predicted, `[answers]`.
        spellings: token ids of each letter.
        n_options: `[answers]`.
        chosen: `[answers]`, the option that was answered, counted from 0; −1 for none.
        max_scratch_bytes: bound of the logits held at a time.

    Returns:
        float32 `[answers]`, in units of the hidden state; inf where no option ever overtakes, NaN where none is chosen,
        or the chosen one is no token.
    """
    inputs = checked(hidden, head, token_ids)
    ids, owner = _flat(spellings)
    radius = inputs.hidden.new_full((len(hidden),), torch.nan)
    with torch.no_grad():
        for part, _, ray in ray_blocks(inputs, max_scratch_bytes):
            lines = ray.logits[:, ids].double(), ray.slope[:, ids].double()
            own = owner[None, :] == chosen[part, None]
            other = ~own & (owner[None, :] < n_options[part, None])
            for rows in torch.arange(len(own), device=own.device).split(_TOKENS_AT_ONCE):
                first = _first_overtaking(lines[0][rows], lines[1][rows], own[rows], other[rows])
                radius[part.start + rows] = torch.where(own[rows].any(dim=1), first, torch.nan).float()
    return radius


def _first_overtaking(logits: Tensor, slope: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """`[answers]`, from `[answers, tokens]` each."""
    gap = logits[:, None, :] - logits[:, :, None]  # [answers, j, i]: L_i − L_j
    closing = slope[:, :, None] - slope[:, None, :]
    matters = own[:, None, :]
    begins = torch.where(matters & (closing > 0), gap / closing, 0.0).amax(dim=2).clamp(min=0.0)
    ends = torch.where(matters & (closing < 0), gap / closing, torch.inf).amin(dim=2)
    never = (matters & (closing == 0) & (gap > 0)).any(dim=2) | (begins > ends) | ~other
    return begins.masked_fill(never, torch.inf).amin(dim=1)


def _flat(spellings: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """All token ids, and the letter of each."""
    ids = torch.tensor([token for tokens in spellings for token in tokens], dtype=torch.long)
    owner = torch.tensor([letter for letter, tokens in enumerate(spellings) for _ in tokens], dtype=torch.long)
    return ids, owner


def _nothing(logits: Tensor) -> Tensor:
    return logits.new_full((len(logits),), -torch.inf)
