//! Routers that go by labels: the experts are looked up.
//!
//! # Source
//! Roller et al. 2021 (hash layers); Gururangan et al. 2021 (DEMix); Fan et al. 2021 (language experts).

use super::{Step, slots};
use crate::config::{Domain, LayerConfig, RouterConfig};
use crate::error::Error;
use crate::kernels::{Constants, LOOKUP};
use crate::labels::Labels;
use crate::recording::Grid;

/// Lookup, slots, rows, weights: four dispatches, and the logit of the shared expert's gate, if it has one.
pub(super) fn record(step: &mut Step) {
    let shared_gate = step.switches().shared_gate();
    if shared_gate == 1 {
        step.logits();
    }
    let (b, w) = (step.batch, step.weights);
    let buffers = vec![b.labels.id, w.constants.id, b.router.id, b.expert_of.id, b.chosen.id, b.stats.id];
    let mixed = matches!(&step.config.router, RouterConfig::Domain(Domain { mixture: Some(_), .. }));
    let constants = Constants(vec![("MIXED", u32::from(mixed)), ("SHARED_GATE", shared_gate)]);
    step.dispatch(&LOOKUP, constants, buffers, Grid::over(step.tokens()));
    slots::record(step);
}

/// Labels of tokens whose expert they name by `table`, checked to be where their tokens are.
///
/// # Errors
/// Of [`Labels::of`] and [`check_at_home`].
pub(super) fn named(
    config: &LayerConfig,
    given: &Labels,
    tokens: usize,
    (name, kind, known): (&'static str, &'static str, &str),
    table: &[u32],
) -> Result<Vec<u32>, Error> {
    let labels = given.of(name, kind, tokens, (table.len(), known))?;
    check_at_home(config, tokens, labels.iter().map(|label| table[*label as usize] as usize).enumerate())?;
    Ok(labels.to_vec())
}

/// Checks that each of the pairs (token, expert) is on one device, where tokens do not cross.
///
/// # Errors
/// [`Error::ExpertElsewhere`], for the first that is not.
pub(super) fn check_at_home(
    config: &LayerConfig,
    tokens: usize,
    mut pairs: impl Iterator<Item = (usize, usize)>,
) -> Result<(), Error> {
    if config.devices == 1 || config.replicated || config.exchanges() {
        return Ok(());
    }
    let (tokens, experts) = (tokens / config.devices, config.experts / config.devices);
    match pairs.find(|(token, expert)| token / tokens != expert / experts) {
        Some((token, expert)) => {
            Err(Error::ExpertElsewhere { token, home: token / tokens, expert, away: expert / experts })
        }
        None => Ok(()),
    }
}
