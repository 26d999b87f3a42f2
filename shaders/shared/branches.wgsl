//! branches.wgsl — the softmaxes of a token whose experts are in branches: one over the branches, one inside each.

/// The largest of a run of logits, and the sum of their exponentials over its own.
struct Softmax {
    largest: f32,
    sum: f32,
}

fn softmax_of(first: u32, end: u32) -> Softmax {
    var largest = router[first];
    for (var i = first + 1u; i < end; i++) { largest = max(largest, router[i]); }
    var sum = 0.0;
    for (var i = first; i < end; i++) { sum += exp(router[i] - largest); }
    return Softmax(largest, sum);
}

fn share(over: Softmax, i: u32) -> f32 { return exp(router[i] - over.largest) / over.sum; }

fn logsumexp(over: Softmax) -> f32 { return over.largest + log(over.sum); }

fn branch_size() -> u32 { return dims.experts / dims.branches; }

/// Softmaxes of a token that there is a choice in: of more than one logit. The loss z is the mean over them.
fn choices_to_make() -> f32 {
    return f32(select(0u, 1u, dims.branches > 1u) + select(0u, dims.branches, branch_size() > 1u));
}
