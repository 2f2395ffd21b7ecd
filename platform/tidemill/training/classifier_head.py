"""Cross-entropy straight from hidden states: logits only for wanted tokens, by chunks.

The gradient is formed together with the loss, so neither the logits nor their softmax are kept.
"""

from __future__ import annotations

from typing import Any

CHUNK = 512


def cross_entropy(
    hidden: Any, head: Any, bias: Any, targets: Any, weights: Any, smoothing: float
) -> Any:
    """Weighted sum of the smoothed cross-entropies of `hidden @ head.T + bias`.

    hidden (n, h), head (v, h), targets (n,) int64, weights (n,) float32; a float32 scalar. The loss
    of one token is `(1-s)·(-log p[target]) + s·mean(-log p)`, as torch's `label_smoothing`.
    """
    return _function().apply(hidden, head, bias, targets, weights, smoothing)


_cached: list[Any] = []


def _function() -> Any:
    """The autograd function; made on first use because torch is imported late."""
    if _cached:
        return _cached[0]
    import torch

    class CrossEntropy(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(
            ctx: Any,
            hidden: Any,
            head: Any,
            bias: Any,
            targets: Any,
            weights: Any,
            smoothing: float,
        ) -> Any:
            """The loss, a scalar tensor; the gradients are kept for `backward`."""
            total = hidden.new_zeros((), dtype=torch.float32)
            wide = hidden.dtype
            grad_hidden = torch.empty_like(hidden)
            grad_head = torch.zeros_like(head) if ctx.needs_input_grad[1] else None
            with torch.autocast("cpu", enabled=False):
                matrix = head.detach().to(wide)
                for at in range(0, len(targets), CHUNK):
                    part = slice(at, at + CHUNK)
                    piece, labels, share = hidden[part], targets[part], weights[part]
                    logits = (piece @ matrix.t()).float()
                    if bias is not None:
                        logits += bias.float()
                    loss, slope = _loss_and_slope(logits, labels, share, smoothing)
                    total += loss
                    slope = slope.to(wide)
                    grad_hidden[part] = slope @ matrix
                    if grad_head is not None:
                        grad_head += (slope.t() @ piece).to(grad_head.dtype)
            ctx.save_for_backward(grad_hidden, grad_head)
            return total

        @staticmethod
        def backward(ctx: Any, grad: Any) -> tuple[Any, ...]:
            """A gradient for each argument of `forward`, None where there is none."""
            grad_hidden, grad_head = ctx.saved_tensors
            head = None if grad_head is None else grad_head * grad
            return grad_hidden * grad.to(grad_hidden.dtype), head, None, None, None, None

    _cached.append(CrossEntropy)
    return CrossEntropy


def _loss_and_slope(logits: Any, wanted: Any, share: Any, smoothing: float) -> tuple[Any, Any]:
    """The weighted loss of a chunk and its derivative by the logits (which are overwritten)."""
    import torch

    places = torch.arange(len(wanted))
    log_sum = logits.logsumexp(-1)
    loss = log_sum - (1 - smoothing) * logits[places, wanted]
    if smoothing:
        loss = loss - smoothing * logits.mean(-1)
    size = logits.shape[-1]
    slope = logits.sub_(log_sum[:, None]).exp_()
    slope[places, wanted] -= 1 - smoothing
    if smoothing:
        slope -= smoothing / size
    return (loss * share).sum(), slope.mul_(share[:, None])
