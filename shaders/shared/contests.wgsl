//! contests.wgsl — what a token's logits compete for: all experts to be chosen; or first branches, then in each chosen one its experts.

/// A run of logits, of which some are chosen.
struct Contest {
    first: u32,
    end: u32,
    last: u32,   // the last of those that are chosen
}

fn contests() -> u32 { return 1u + dims.branch_choices; }

/// The `n`-th contest of token `t`: with branches the first is theirs, then come those inside, in the order of choice.
fn contest(t: u32, n: u32) -> Contest {
    let choices_at = t * dims.choices;
    if (dims.branches == 0u) { return Contest(0u, dims.experts, expert_of[choices_at + dims.choices - 1u]); }
    let size = dims.experts / dims.branches;
    if (n == 0u) {
        let last = expert_of[choices_at + dims.choices - 1u] / size;
        return Contest(dims.experts, dims.logits, dims.experts + last);
    }
    let last = expert_of[choices_at + n * (dims.choices / dims.branch_choices) - 1u];
    let first = last / size * size;
    return Contest(first, first + size, last);
}

/// Whether logit `i` of a token whose logits begin at `logits_at` comes after the last chosen one.
fn is_behind(logits_at: u32, i: u32, last: u32) -> bool {
    let h = router[logits_at + i];
    let last_logit = router[logits_at + last];
    return h < last_logit || (h == last_logit && i > last);
}
