//! Hash layers: the expert is looked up.
//!
//! # Source
//! Roller et al. 2021.

use super::{Step, slots};
use crate::config::{Hash, Hashed};
use crate::error::Error;
use crate::kernels::{Constants, LOOKUP};
use crate::recording::Grid;
use crate::rng::hash_u32;

/// Lookup, slots, rows, weights: four dispatches, and the logit of the shared expert's gate, if it has one.
pub(super) fn record(step: &mut Step) {
    let shared_gate = step.switches().shared_gate();
    if shared_gate == 1 {
        step.logits();
    }
    let (b, w) = (step.batch, step.weights);
    let buffers = vec![b.labels.id, w.constants.id, b.router.id, b.expert_of.id, b.chosen.id, b.stats.id];
    step.dispatch(&LOOKUP, Constants(vec![("SHARED_GATE", shared_gate)]), buffers, Grid::over(step.tokens()));
    slots::record(step);
}

/// What is looked up for every token, from the ids of `tokens` tokens in sequences of `sequence`.
///
/// # Errors
/// [`Error::MissingLabels`], [`Error::WrongLength`], or [`Error::InvalidArgument`] for an id that the tables do not know.
pub fn labels(router: &Hash, ids: Option<&[u32]>, tokens: usize, sequence: Option<usize>) -> Result<Vec<u32>, Error> {
    let vocabulary = router.vocabulary();
    let sequence = sequence.unwrap_or(tokens).max(1);
    if router.of == Hashed::Position {
        return Ok((0..tokens).map(|t| (t % sequence % vocabulary) as u32).collect());
    }
    let Some(ids) = ids else {
        return Err(Error::MissingLabels { what: "tokenIds", router: "hash" });
    };
    if ids.len() != tokens {
        let shape = format!("[{tokens}]");
        return Err(Error::WrongLength { what: "tokenIds".into(), got: ids.len(), wanted: tokens, shape });
    }
    if let Some((t, id)) = ids.iter().enumerate().find(|(_, id)| **id as usize >= vocabulary) {
        let wanted = format!("below {vocabulary}, the length of router.table");
        return Err(Error::InvalidArgument { what: format!("tokenIds[{t}]"), got: id.to_string(), wanted });
    }
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
