//! Chains of exchanges for experts that are left short.

use super::pairs::{HELD, is_held};
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// One more token for the first expert of a group that is left short, by a shortest chain of exchanges.
///
/// - 1 `keys`: `u32[T, E]`
/// - 2 `pairs`: `u32[T, E]`, 3 `counts`: `u32[G, 1, E]`, 4 `reached`: `u32[T]`, scratch
///
/// # Source
/// Augmenting paths: Ford and Fulkerson 1956; shortest ones: Edmonds and Karp 1972.
pub static REPAIR: Kernel = Kernel {
    name: "repair",
    source: include_str!("../../shaders/repair.wgsl"),
    parts: &[&shader::DIMS, &shader::PAIRS],
    product: None,
    bindings: &[Read, Write, Write, Write],
    constants: &[],
    twin,
};

/// Nobody reached for the token, and it may have another expert.
const ROOM: u32 = u32::MAX - 1;
/// Nobody did, and it may not.
const FULL: u32 = u32::MAX;

fn twin(call: &Call, slices: &mut [Slice]) {
    let [keys, pairs, counts, reached] = bound(slices);
    let (dims, keys, pairs, reached) = (call.dims, keys.u32(), pairs.u32_mut(), reached.u32_mut());
    let (experts, s) = (dims.experts as usize, dims.group_tokens as usize);
    let places = dims.slots.min(dims.group_tokens);
    for (g, counts) in counts.u32_mut().chunks_exact_mut(experts).take(dims.groups as usize).enumerate() {
        let Some(short) = counts.iter().position(|count| *count < places) else { continue };
        let tokens = g * s..(g + 1) * s;
        for t in tokens.clone() {
            let held = pairs[t * experts..][..experts].iter().filter(|pair| is_held(**pair)).count();
            reached[t] = if held < dims.choices as usize { ROOM } else { FULL };
        }
        let mut gives_up = vec![None; experts];
        let mut queue = vec![short];
        let mut head = 0;
        while let Some(&x) = queue.get(head) {
            head += 1;
            let others = tokens.clone().filter(|t| !is_held(pairs[t * experts + x]));
            // of equal keys the first
            let roomy = others.clone().filter(|t| reached[*t] == ROOM).rev().max_by_key(|t| keys[t * experts + x]);
            if let Some(last) = roomy {
                reached[last] = x as u32;
                exchange(pairs, experts, short, last, reached, &gives_up);
                counts[short] += 1;
                break;
            }
            let mut new: Vec<usize> = others.filter(|t| reached[*t] == FULL).collect();
            new.sort_by_key(|t| !keys[t * experts + x]);
            for t in new {
                reached[t] = x as u32;
                for (e, gives_up) in gives_up.iter_mut().enumerate() {
                    if e != short && gives_up.is_none() && is_held(pairs[t * experts + e]) {
                        *gives_up = Some(t);
                        queue.push(e);
                    }
                }
            }
        }
    }
}

/// Follows the chain back from the token with room to the expert that was short.
fn exchange(pairs: &mut [u32], experts: usize, short: usize, last: usize, reached: &[u32], gives_up: &[Option<usize>]) {
    let mut t = last;
    loop {
        let e = reached[t] as usize;
        pairs[t * experts + e] = HELD;
        let Some(given_up) = gives_up[e].filter(|_| e != short) else { return };
        t = given_up;
        pairs[t * experts + e] = NONE;
    }
}
