"""convolve: a filter of each output channel slid along the input, as layers do it: not turned."""

import numpy as np

from grader.authoring import Check, Question, case


def convolve(x, filters, bias):
    """out[o, t] = bias[o] + sum over c and k of filters[o, c, k] * x[c, t + k].

    x        (channels, length)
    filters  (outputs, channels, width)
    bias     (outputs,)
    returns  (outputs, length - width + 1)
    """
    windows = np.lib.stride_tricks.sliding_window_view(x, filters.shape[2], axis=1)
    return np.einsum("ctk,ock->ot", windows, filters) + bias[:, None]


# Inputs, simplest first -------------------------------------------------------------


def fresh(rng, channels, length, outputs, width):
    return case(
        rng.normal(size=(channels, length)),
        rng.normal(size=(outputs, channels, width)),
        rng.normal(size=outputs),
    )


def one_channel(rng):
    yield case(np.array([[1.0, 2.0, 3.0]]), np.array([[[1.0, 0.0]]]), np.zeros(1))
    yield fresh(rng, 1, 6, 1, 3)


def several_channels(rng):
    for _ in range(2):
        yield fresh(rng, 2, 6, 4, 3)


def other_sizes(rng):
    for channels, length, outputs, width in ((3, 9, 2, 4), (2, 5, 3, 1), (1, 4, 5, 4)):
        yield fresh(rng, channels, length, outputs, width)


# Known misconceptions ---------------------------------------------------------------


def untouched(x, filters, bias):
    """The function still returns zeros, as it was handed out."""
    return np.zeros((len(filters), x.shape[1] - filters.shape[2] + 1))


def turned(x, filters, bias):
    """You turn the filter round, as convolution does in signal processing. A layer does not:
    multiply filters[o, c, k] with x[c, t + k]. np.convolve turns it, np.correlate does not."""
    return convolve(x, filters[:, :, ::-1], bias)


def bias_forgotten(x, filters, bias):
    """You do not add the bias. Each output channel has its own: + bias[o]."""
    return convolve(x, filters, 0 * bias)


def first_channel_only(x, filters, bias):
    """You use the first input channel only. Add up over all of them."""
    return convolve(x[:1], filters[:, :1], bias)


def padded(x, filters, bias):
    """Your output is as long as the input: you pad it with zeros. Use only windows that lie within
    the input, of which there are length - width + 1."""
    before = (filters.shape[2] - 1) // 2
    after = filters.shape[2] - 1 - before
    return convolve(np.pad(x, ((0, 0), (before, after))), filters, bias)


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="convolve",
    title="Convolution in one dimension",
    target="convolve",
    reference=convolve,
    untouched=untouched,
    checks=[
        Check("the output has length - width + 1 steps", several_channels, points=1, view=np.shape),
        Check("it is right for one channel", one_channel, points=2),
        Check("it is right for several channels", several_channels, points=3),
        Check("it works for other sizes", other_sizes, points=1, other_sizes=True),
    ],
    misconceptions=[turned, bias_forgotten, first_channel_only, padded],
)
