//! Domains that come and go.

use super::{check_prior, invalid, normalized};
use crate::config::{Domain, LayerConfig, RouterConfig};
use crate::error::Error;
use crate::weights::{LayerWeights, select_experts};

/// A layer of domain experts, and how much is expected of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Domains {
    /// The layer.
    pub config: LayerConfig,
    /// Its weights.
    pub weights: LayerWeights,
    /// `f64[D]`, of sum 1.
    pub prior: Vec<f64>,
}

/// One more domain, the last, whose expert begins as a copy of the most likely one: that of the largest share of `prior`, the lower
/// of equal ones. The two halve that share, and that of the layer's own mixture, so that until it learns nothing changes.
///
/// - `prior`: `f64[D]` of any sum above 0, for example the mean posterior on text of the new domain
///
/// # Errors
/// Of the weights and the prior; [`Error::InvalidConfig`] for another router or identities, and what
/// [`LayerConfig::check`] says of one expert more.
pub fn add_domain(config: &LayerConfig, weights: &LayerWeights, prior: &[f64]) -> Result<Domains, Error> {
    let prior = checked(config, prior)?;
    let likelier = |best: usize, j: usize| if prior[j] > prior[best] { j } else { best };
    let parent = (0..prior.len()).fold(0, likelier);
    let experts: Vec<usize> = (0..config.experts).chain([parent]).collect();
    let halved = |shares: &[f64]| -> Vec<f64> {
        experts.iter().map(|j| if *j == parent { shares[*j] / 2.0 } else { shares[*j] }).collect()
    };
    rebuilt(config, weights, &experts, halved(&prior), halved)
}

/// One domain less: `domain` goes with its expert, and the others take over its share in proportion to theirs.
///
/// # Errors
/// As [`add_domain`], and [`Error::InvalidArgument`] for a domain that is not there, is the only one, or has the whole prior.
pub fn remove_domain(
    config: &LayerConfig,
    weights: &LayerWeights,
    prior: &[f64],
    domain: usize,
) -> Result<Domains, Error> {
    checked(config, prior)?;
    if domain >= config.experts {
        return Err(invalid("domain", domain, &format!("below experts = {}", config.experts)));
    }
    let experts: Vec<usize> = (0..config.experts).filter(|j| *j != domain).collect();
    let left = |shares: &[f64]| -> Vec<f64> { experts.iter().map(|j| shares[*j]).collect() };
    let prior = left(prior);
    if prior.iter().sum::<f64>() == 0.0 {
        return Err(invalid("domain", domain, "one beside which the prior leaves another"));
    }
    // the layer's own mixture need not add up to 1: what is left keeps its sum
    let scaled = |shares: &[f64]| -> Vec<f64> {
        let (all, left) = (shares.iter().sum::<f64>(), left(shares));
        let factor = all / left.iter().sum::<f64>();
        left.into_iter().map(|share| if factor.is_finite() { factor * share } else { share }).collect()
    };
    rebuilt(config, weights, &experts, normalized(&prior), scaled)
}

/// The prior, of sum 1, of a layer of domain experts.
fn checked(config: &LayerConfig, prior: &[f64]) -> Result<Vec<f64>, Error> {
    match &config.router {
        RouterConfig::Domain(_) => check_prior(prior, config.experts).map(|()| normalized(prior)),
        _ => Err(invalid("config.router", "of another kind", "of kind \"domain\"")),
    }
}

fn rebuilt(
    config: &LayerConfig,
    weights: &LayerWeights,
    experts: &[usize],
    prior: Vec<f64>,
    shares: impl Fn(&[f64]) -> Vec<f64>,
) -> Result<Domains, Error> {
    let mut router = config.router.clone();
    if let RouterConfig::Domain(Domain { mixture: Some(mixture), .. }) = &mut router {
        let wide: Vec<f64> = mixture.iter().map(|weight| f64::from(*weight)).collect();
        *mixture = shares(&wide).into_iter().map(|weight| weight as f32).collect();
    }
    let (config, weights) = select_experts(config, weights, experts, router)?;
    Ok(Domains { config, weights, prior })
}
