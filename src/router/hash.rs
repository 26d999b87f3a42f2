//! Hash layers: what is looked up.
//!
//! # Source
//! Roller et al. 2021.

use crate::config::{Hash, Hashed};
use crate::error::Error;
use crate::labels::Labels;
use crate::rng::hash_u32;

/// What is looked up for every one of `tokens` tokens.
///
/// # Errors
/// Of [`Labels::of`], for the ids.
pub(super) fn labels(router: &Hash, given: &Labels, tokens: usize) -> Result<Vec<u32>, Error> {
    let vocabulary = router.vocabulary();
    let sequence = given.sequence(tokens);
    if router.of == Hashed::Position {
        return Ok((0..tokens).map(|t| (t % sequence % vocabulary) as u32).collect());
    }
    let ids = given.of("tokenIds", "hash", tokens, (vocabulary, "the length of router.table"))?;
    let label = |t: usize| {
        let before = if t.is_multiple_of(sequence) { ids[t] } else { ids[t - 1] };
        match router.of {
            Hashed::Token | Hashed::Position => ids[t],
            Hashed::Previous => before,
            Hashed::Bigram => hash_u32(0, 0, 0, before, ids[t]) % vocabulary as u32,
            Hashed::Next if (t + 1).is_multiple_of(sequence) || t + 1 == tokens => ids[t],
            Hashed::Next => ids[t + 1],
        }
    };
    Ok((0..tokens).map(label).collect())
}
