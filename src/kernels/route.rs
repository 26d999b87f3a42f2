//! Scores and the stable top-k.

use super::activation::{exp, sigmoid};
use super::gumbel::gumbel;
use super::{Access::*, Call, DECLINED, Dims, Kernel, NONE, Slice, bound};
use crate::{rng, shader};

/// Scores of every token and its `k` best experts: larger score first, equal scores to the lower expert. Of several prototypes
/// the best ones of all come first, then the next of all.
///
/// - 1 logits and scores: `f32[2, T, stride]`, 2 `bias`: `f32[E]`, or `f32[G, E]`
/// - 3 `expert_of`: `u32[T, k]`, with [`DECLINED`] where one is not asked and [`NONE`] after the last; read where the choices are made
///   before, 4 `chosen`: `f32[T, columns]`, 5 `stats`: `f32[T, 4]`
/// - 6 `draws`: `f32[T, E]` or `f32[T, k]`, read where random numbers are given
///
/// # Source
/// Shazeer et al. 2017 (top-k), Lepikhin et al. 2020 (GShard: which second choices are asked), Fedus et al. 2021 (Switch; choices drawn in training), DeepSeek-AI 2024 (sigmoid, selection bias, group limit), Yang et al. 2021 (M6-T: prototypes).
pub static ROUTE: Kernel = Kernel {
    name: "route",
    source: include_str!("../../shaders/route.wgsl"),
    parts: &[&shader::DIMS, &shader::RNG, &shader::GUMBEL, &shader::FINITE],
    product: None,
    bindings: &[Write, Read, Write, Write, Write, Read],
    constants: &["SIGMOID", "SELECTED", "BIASED", "UNCHOSEN", "GROUP_LIMITED", "SHARED_GATE", "POLICY", "GIVEN"],
    twin,
};

pub(super) const LOWEST: f32 = f32::MIN;

// values of POLICY, as in the shader
const DRAWN: u32 = 1;
const OTHERS: u32 = 2;
const ALONE: u32 = 3;
const CHANCE: u32 = 4;
const THRESHOLD: u32 = 5;
const COVER: u32 = 6;
const ABOVE: u32 = 7;

/// Finite: NaN and −∞ become the lowest number, +∞ the largest.
pub(super) fn finite(v: f32) -> f32 {
    if v.is_nan() { LOWEST } else { v.clamp(LOWEST, f32::MAX) }
}

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, bias, expert_of, chosen, stats, draws] = bound(slices);
    let (dims, on) = (call.dims, |name| call.constants.on(name));
    let (tokens, experts, k) = (dims.tokens as usize, dims.experts as usize, dims.choices as usize);
    let (stride, columns) = (dims.stride as usize, dims.columns as usize);
    let (logits, scores) = router.f32_mut().split_at_mut(tokens * stride);
    let biased = call.constants.get("BIASED");
    let limited = on("GROUP_LIMITED");
    let policy = call.constants.get("POLICY");
    let prototypes = dims.prototypes as usize;
    let size = experts / prototypes;
    let mut order: Vec<u32> = Vec::new();
    let mut keys = vec![0.0; experts];
    let given = |t: usize, width: usize| on("GIVEN").then(|| &draws.f32()[t * width..][..width]);

    for t in 0..tokens {
        let h = &mut logits[t * stride..][..stride];
        let s = &mut scores[t * stride..][..experts];
        let (mut lse, mut squares) = (0.0, 0.0);
        for (h, s) in h[..experts].chunks_exact_mut(size).zip(s.chunks_exact_mut(size)) {
            lse = score(h, s, on("SIGMOID"));
            squares += lse * lse;
        }
        if prototypes > 1 {
            lse = (squares / prototypes as f32).sqrt();
        }
        let best = s.iter().copied().fold(0.0, f32::max);
        stats.f32_mut()[4 * t..][..4].copy_from_slice(&[lse, best, s.iter().sum(), 0.0]);

        let chosen = &mut chosen.f32_mut()[t * columns..][..columns];
        chosen[k..].fill(if on("SHARED_GATE") { sigmoid(finite(h[dims.gate_at as usize])) } else { 1.0 });
        match call.constants.get("UNCHOSEN") {
            0 => {}
            1 => continue,
            _ => {
                for (c, e) in chosen.iter_mut().zip(&expert_of.u32()[t * k..][..k]) {
                    *c = s[*e as usize];
                }
                continue;
            }
        }
        keys.copy_from_slice(if biased == 1 || limited { s } else { &h[..experts] });
        if biased != 0 {
            let group = if biased == 2 { t / dims.group_tokens as usize } else { 0 };
            keys.iter_mut().zip(&bias.f32()[group * experts..]).for_each(|(k, b)| *k += b);
        }
        if policy == DRAWN {
            draw(dims, t as u32, given(t, experts), &mut keys);
        }
        order.clear();
        if limited {
            let size = experts / dims.expert_groups as usize;
            for g in best_groups(&keys, size, dims.group_limit as usize) {
                order.extend((g * size) as u32..((g + 1) * size) as u32);
            }
        } else {
            order.extend(0..experts as u32);
        }
        if policy == OTHERS {
            best_first(&mut order, &keys, 1);
            draw(dims, t as u32, given(t, experts), &mut keys);
            keys[order[0] as usize] = f32::INFINITY;
        }
        if prototypes == 1 {
            best_first(&mut order, &keys, k);
        } else {
            best_of_each_first(&mut order, &keys, k / prototypes, size);
        }
        let all = if on("SIGMOID") { s.iter().sum() } else { 1.0 };
        let count = match policy {
            COVER => covering(order[..k].iter().map(|e| s[*e as usize]), dims.threshold * all),
            ABOVE => order[..k].iter().take_while(|e| s[**e as usize] > dims.threshold).count(),
            _ => k,
        };
        let experts_of = &mut expert_of.u32_mut()[t * k..][..k];
        experts_of[..count].copy_from_slice(&order[..count]);
        experts_of[count..].fill(NONE);
        chosen[count..k].fill(0.0);
        let order = &order[..count];
        for (c, e) in chosen.iter_mut().zip(order) {
            *c = s[*e as usize];
        }
        if on("SELECTED") {
            let largest = order.iter().map(|e| h[*e as usize]).fold(LOWEST, f32::max);
            for (c, e) in chosen.iter_mut().zip(order) {
                *c = exp(h[*e as usize] - largest);
            }
            let over: f32 = chosen[..count].iter().sum();
            chosen[..count].iter_mut().for_each(|c| *c /= over);
        }
        if [ALONE, CHANCE, THRESHOLD].contains(&policy) {
            let luck = |j: usize| match given(t, k) {
                Some(given) => given[j],
                None => luck(dims, t as u32, j),
            };
            decline(dims, policy, luck, &chosen[..k], experts_of);
        }
    }
}

/// Makes scores of the logits of a prototype, which become finite, and gives the logarithm of the sum of their exponentials.
fn score(h: &mut [f32], s: &mut [f32], sigmoids: bool) -> f32 {
    h.iter_mut().for_each(|h| *h = finite(*h));
    let largest = h.iter().copied().fold(LOWEST, f32::max);
    s.iter_mut().zip(&*h).for_each(|(s, h)| *s = exp(h - largest));
    let sum: f32 = s.iter().sum();
    if sigmoids {
        s.iter_mut().zip(&*h).for_each(|(s, h)| *s = sigmoid(*h));
    } else {
        s.iter_mut().for_each(|s| *s /= sum);
    }
    largest + sum.ln()
}

/// Puts the experts with the largest keys of every run of `size` first, then those with the next ones, up to the `n`-th.
fn best_of_each_first(order: &mut [u32], keys: &[f32], n: usize, size: usize) {
    order.chunks_exact_mut(size).for_each(|own| best_first(own, keys, n));
    let of_rank = |rank: usize| order.iter().skip(rank).step_by(size).copied().collect::<Vec<u32>>();
    let first: Vec<u32> = (0..n).flat_map(of_rank).collect();
    order[..first.len()].copy_from_slice(&first);
}

/// Puts the experts with the `n` largest keys first, equal ones by number.
pub(super) fn best_first(order: &mut [u32], keys: &[f32], n: usize) {
    let ahead = |a: &u32, b: &u32| keys[*b as usize].total_cmp(&keys[*a as usize]).then(a.cmp(b));
    if n < order.len() {
        order.select_nth_unstable_by(n - 1, ahead);
    }
    order[..n].sort_unstable_by(ahead);
}

/// How many of the scores it takes for their sum to reach `cover`; all if they do not.
fn covering(scores: impl Iterator<Item = f32>, cover: f32) -> usize {
    let mut covered = 0.0;
    let short = |score: &f32| {
        let short = covered < cover;
        covered += score;
        short
    };
    scores.take_while(short).count()
}

/// Turns logits into keys whose largest are draws from their softmax.
fn draw(dims: &Dims, token: u32, given: Option<&[f32]>, keys: &mut [f32]) {
    match given {
        Some(given) => keys.iter_mut().zip(given).for_each(|(key, noise)| *key += noise),
        None => keys.iter_mut().zip(rng::DRAW_LANE..).for_each(|(key, lane)| *key += gumbel(dims, token, lane)),
    }
}

/// By what choice `j` of a token is asked or not.
fn luck(dims: &Dims, token: u32, j: usize) -> f32 {
    let seed = u64::from(dims.seed_hi) << 32 | u64::from(dims.seed_lo);
    rng::uniform_f32(seed, 0, dims.step, token, rng::ASK_LANE + j as u32)
}

/// Marks the choices that are not asked.
fn decline(dims: &Dims, policy: u32, luck: impl Fn(usize) -> f32, chosen: &[f32], expert_of: &mut [u32]) {
    let sum: f32 = chosen.iter().sum();
    for j in 1..chosen.len() {
        let share = if sum > 0.0 { chosen[j] / sum } else { 0.0 };
        let asked = match policy {
            CHANCE => luck(j) * dims.threshold < share,
            THRESHOLD => share > dims.threshold,
            _ => false,
        };
        if !asked {
            expert_of[j] |= DECLINED;
        }
    }
}

/// The `limit` groups with the largest sum of their two best keys; equal sums to the lower group.
fn best_groups(keys: &[f32], size: usize, limit: usize) -> Vec<usize> {
    let score = |group: &[f32]| {
        let (mut first, mut second) = (LOWEST, LOWEST);
        for &v in group {
            if v > first {
                (first, second) = (v, first);
            } else if v > second {
                second = v;
            }
        }
        if size > 1 { first + second } else { first }
    };
    let scores: Vec<f32> = keys.chunks_exact(size).map(score).collect();
    let mut groups: Vec<usize> = (0..scores.len()).collect();
    groups.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    groups.truncate(limit);
    groups
}
