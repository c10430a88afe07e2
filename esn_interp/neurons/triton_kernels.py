"""Two Triton kernels, called by `~esn_interp.neurons.kernels`; can be imported only where Triton can."""

# Triton compiles what stands here: its functions have no types of ours.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
import triton
import triton.language as tl


@triton.jit
def reduce(
    gate,
    order,
    bounds,
    firings,
    sums,
    width,
    stride,
    kind,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Sums over the rows of each segment; a program has one segment and some columns."""
    segment = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = column < width
    start = tl.load(bounds + segment)
    stop = tl.load(bounds + segment + 1)
    count = tl.zeros([COLUMNS], dtype=tl.int32)
    total = tl.zeros([COLUMNS], dtype=tl.float32)
    square = tl.zeros([COLUMNS], dtype=tl.float32)
    magnitude = tl.zeros([COLUMNS], dtype=tl.float32)
    for first in range(start, stop, ROWS):
        at = first + tl.arange(0, ROWS)
        here = at < stop
        # 64 bits: a batch of gates may have more elements than 32 can number.
        row = tl.load(order + at, mask=here, other=0).to(tl.int64)
        places = gate + row[:, None] * stride + column[None, :]
        value = tl.load(places, mask=here[:, None] & inside[None, :], other=0.0).to(tl.float32)
        # With one warp a thread has all rows of its columns, so that these sums need no other thread.
        count += tl.sum((value > 0).to(tl.int32), axis=0)
        total += tl.sum(value, axis=0)
        square += tl.sum(value * value, axis=0)
        magnitude += tl.sum(tl.abs(value), axis=0)
    out = segment * width + column
    tl.store(firings + out, count, mask=inside)
    tl.store(sums + out, total, mask=inside)
    # Step by step, since twice the distance from kind to kind may not fit in 32 bits.
    tl.store(sums + kind + out, square, mask=inside)
    tl.store(sums + kind + kind + out, magnitude, mask=inside)


@triton.jit
def fold(
    counts,
    totals,
    firings,
    sums,
    routed,
    tokens,
    order,
    bounds,
    groups,
    finite,
    kind,
    width,
    count_names,
    total_names,
    SCOPES: tl.constexpr,
    MIXTURE: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Clips added to their group; a program has one group, some columns, and one scope or all of them."""
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    inside = column < width
    segment = tl.program_id(1)
    part = tl.program_id(2)  # a scope, or all of them together
    group = tl.load(groups + segment).to(tl.int64)
    own_counts = counts + group * count_names * width + column
    own_totals = totals + group * total_names * width + column
    clip_level = own_totals + (3 * SCOPES + part) * width
    step = (SCOPES + 1) * width
    rate_sum = tl.load(clip_level, mask=inside)
    rate_sq = tl.load(clip_level + step, mask=inside)
    mean_sum = tl.load(clip_level + 2 * step, mask=inside)
    mean_sq = tl.load(clip_level + 3 * step, mask=inside)
    alone = part < SCOPES
    single = inside & alone
    fired = tl.load(own_counts + part * width, mask=single, other=0)
    total = tl.load(own_totals + part * width, mask=single, other=0.0)
    square = tl.load(own_totals + (SCOPES + part) * width, mask=single, other=0.0)
    magnitude = tl.load(own_totals + (2 * SCOPES + part) * width, mask=single, other=0.0)
    reached = tl.zeros([COLUMNS], dtype=tl.int64)
    reached_clips = tl.zeros([COLUMNS], dtype=tl.int64)
    for at in range(tl.load(bounds + segment), tl.load(bounds + segment + 1)):
        clip = tl.load(order + at).to(tl.int64)
        here_fired = tl.zeros([COLUMNS], dtype=tl.int64)
        here_total = tl.zeros([COLUMNS], dtype=tl.float64)
        here_reached = tl.zeros([COLUMNS], dtype=tl.int64)
        for scope in range(SCOPES):
            if (scope == part) | (part == SCOPES):
                place = (clip * SCOPES + scope) * width + column
                a = tl.load(firings + place, mask=inside, other=0).to(tl.int64)
                b = tl.load(sums + place, mask=inside, other=0.0).to(tl.float64)
                here_fired += a
                here_total += b
                if MIXTURE:
                    here_reached += tl.load(routed + place, mask=inside, other=0).to(tl.int64)
                else:
                    here_reached += tl.load(tokens + clip * SCOPES + scope)
                if alone:
                    c = tl.load(sums + kind + place, mask=inside, other=0.0).to(tl.float64)
                    d = tl.load(sums + kind + kind + place, mask=inside, other=0.0).to(tl.float64)
                    fired += a
                    total += b
                    square += c
                    magnitude += d
                    # Infinite or not a number: then it is not even equal to itself once it is subtracted.
                    wrong = inside & ((c - c != 0) | (d - d != 0))
                    tl.store(finite + clip + tl.zeros([COLUMNS], dtype=tl.int64), 0, mask=wrong)
        per = tl.maximum(here_reached, 1).to(tl.float64)
        rate = (here_fired.to(tl.float64) / per).to(tl.float32).to(tl.float64)
        mean = (here_total / per).to(tl.float32).to(tl.float64)
        rate_sum += rate
        rate_sq += (rate * rate).to(tl.float32).to(tl.float64)
        mean_sum += mean
        mean_sq += (mean * mean).to(tl.float32).to(tl.float64)
        reached += here_reached
        reached_clips += (here_reached > 0).to(tl.int64)
    tl.store(clip_level, rate_sum, mask=inside)
    tl.store(clip_level + step, rate_sq, mask=inside)
    tl.store(clip_level + 2 * step, mean_sum, mask=inside)
    tl.store(clip_level + 3 * step, mean_sq, mask=inside)
    tl.store(own_counts + part * width, fired, mask=single)
    tl.store(own_totals + part * width, total, mask=single)
    tl.store(own_totals + (SCOPES + part) * width, square, mask=single)
    tl.store(own_totals + (2 * SCOPES + part) * width, magnitude, mask=single)
    if MIXTURE:
        places = own_counts + (SCOPES + part) * width
        tl.store(places, tl.load(places, mask=single, other=0) + reached, mask=single)
        places = own_counts + (2 * SCOPES + part) * width
        tl.store(places, tl.load(places, mask=inside, other=0) + reached_clips, mask=inside)
