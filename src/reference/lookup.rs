//! Experts that follow from what is said of the tokens.
//!
//! # Source
//! Roller et al. 2021, "Hash Layers for Large Sparse Models".

use crate::config::{Hash, Hashed, LayerConfig};
use crate::error::Error;
use crate::labels::Labels;
use crate::rng::hash_u32;

/// Experts of every token, one a table: `[T]` of `[tables]`.
pub(super) fn hashed(
    config: &LayerConfig,
    router: &Hash,
    labels: &Labels,
    tokens: usize,
) -> Result<Vec<Vec<usize>>, Error> {
    let (run, sequence) = (config.experts / router.tables.len(), labels.sequence(tokens));
    let known = (router.vocabulary(), "the length of router.table");
    let ids = match router.of {
        Hashed::Position => vec![0; tokens],
        _ => labels.of("tokenIds", "hash", tokens, known)?.to_vec(),
    };
    let hashes = ids.chunks(sequence).flat_map(|ids| hashes(router, ids));
    let experts = |hash: usize| router.tables.iter().zip(0..).map(|(table, j)| j * run + table[hash] as usize).collect();
    Ok(hashes.map(experts).collect())
}

/// What is looked up for the tokens of one sequence.
fn hashes(router: &Hash, ids: &[u32]) -> Vec<usize> {
    let (vocabulary, last) = (router.vocabulary(), ids.len() - 1);
    let of = |t: usize| match router.of {
        Hashed::Token => ids[t] as usize,
        Hashed::Previous => ids[t.saturating_sub(1)] as usize,
        Hashed::Bigram => hash_u32(0, 0, 0, ids[t.saturating_sub(1)], ids[t]) as usize % vocabulary,
        Hashed::Position => t % vocabulary,
        Hashed::Next => ids[last.min(t + 1)] as usize,
    };
    (0..ids.len()).map(of).collect()
}
