//! Domain experts: a label for each token, or a weight for each expert.
//!
//! # Source
//! Gururangan et al. 2021 (DEMix).

use super::lookup::{check_at_home, named};
use crate::config::{Domain, LayerConfig};
use crate::error::Error;
use crate::labels::Labels;

/// The domain of every one of `tokens` tokens, or where domains are mixed the bits of `f32[T, E]`.
///
/// # Errors
/// Of [`Labels::of`] and [`Labels::mixture`]; [`Error::InvalidArgument`] for a mixture that the layer has no room for, or one beside
/// domains; [`Error::ExpertElsewhere`].
pub(super) fn labels(config: &LayerConfig, router: &Domain, given: &Labels, tokens: usize) -> Result<Vec<u32>, Error> {
    let e = config.experts;
    let domains: Vec<u32> = (0..e as u32).collect();
    let domains = || named(config, given, tokens, ("domain", "domain", "the number of experts"), &domains);
    let refused = |wanted: &str| {
        Err(Error::InvalidArgument { what: "mixture".into(), got: "given".into(), wanted: wanted.into() })
    };
    let mixture = match (&router.mixture, given.mixture(tokens, e)?, &given.domain) {
        (None, Some(_), _) => return refused("left out, unless the layer has a `router.mixture`"),
        (_, Some(_), Some(_)) => return refused("left out beside `domain`"),
        (None, None, _) => return domains(),
        (Some(_), Some(mixture), None) => mixture.to_vec(),
        (Some(_), None, Some(_)) => {
            let alone = |domain: u32| (0..e as u32).map(move |expert| f32::from(u8::from(expert == domain)));
            domains()?.into_iter().flat_map(alone).collect()
        }
        (Some(own), None, None) => own.repeat(tokens),
    };
    let at_work = mixture.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
    check_at_home(config, tokens, at_work.map(|(at, _)| (at / e, at % e)))?;
    Ok(mixture.into_iter().map(f32::to_bits).collect())
}
