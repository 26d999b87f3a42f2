//! Another order of the tokens, for routers that spread each group's tokens over all groups.
//!
//! # Source
//! Lewis et al. 2021 (BASE layers), section 3.2.

use crate::config::LayerConfig;
use crate::rng::{SHUFFLE_LANE, hash_u32, of_pass};

/// `[T]`: where each of `tokens` tokens stands while it is routed; `None` if in the order in which they were given.
///
/// Each group's tokens line up at random; of the whole line the tokens go to the groups in turn. So each group gets as many tokens
/// from every group, give or take one, and exactly as many where `G` divides `S`. The number of devices plays no part.
pub fn shuffled(config: &LayerConfig, tokens: usize, train: bool, (step, pass): (u32, u32)) -> Option<Vec<u32>> {
    if !(train && config.shuffles()) {
        return None;
    }
    let seed = of_pass(config.seed, pass);
    let (groups, in_group) = (config.groups, tokens / config.groups);
    let mut line: Vec<u32> = (0..tokens as u32).collect();
    for group in line.chunks_mut(in_group.max(1)) {
        group.sort_by_cached_key(|&token| (hash_u32(seed, 0, step, token, SHUFFLE_LANE), token));
    }
    let mut places = vec![0; tokens];
    for (at, token) in line.into_iter().enumerate() {
        places[token as usize] = (at % groups * in_group + at / groups) as u32;
    }
    Some(places)
}
