//! Some of a layer's experts as a layer of their own.

use super::{LayerWeights, Weights};
use crate::config::{LayerConfig, RouterConfig};
use crate::error::Error;

/// A layer whose expert `i` is a copy of expert `experts[i]` of another, which may come more than once; what is not the experts'
/// stays. Rows of the router, if the new one has weights, are those of its experts, and so is what is known of them as arms.
///
/// # Errors
/// Of [`LayerWeights::check`], and of [`LayerConfig::check`] for the new layer; [`Error::InvalidArgument`] for an expert that is not
/// there, or where some are identities, which cannot lie anywhere but at the end.
pub fn select_experts(
    config: &LayerConfig,
    weights: &LayerWeights,
    experts: &[usize],
    router: RouterConfig,
) -> Result<(LayerConfig, LayerWeights), Error> {
    weights.check(config)?;
    let invalid = |what: &str, got: usize, wanted: String| {
        Err(Error::InvalidArgument { what: what.to_owned(), got: got.to_string(), wanted })
    };
    if config.identity_experts > 0 {
        return invalid("config.identityExperts", config.identity_experts, "0 where experts are copied".to_owned());
    }
    if let Some(expert) = experts.iter().find(|expert| **expert >= config.experts) {
        return invalid("expert", *expert, format!("below experts = {}", config.experts));
    }
    let widths = config.expert_widths.as_ref();
    let selected = LayerConfig {
        experts: experts.len(),
        expert_widths: widths.map(|widths| experts.iter().map(|expert| widths[*expert]).collect()),
        router_bias: config.router_bias && router.learned(),
        router,
        ..config.clone()
    };
    selected.check()?;
    let arrays = Weights::build(&selected, |name, len| {
        let all = weights.get(name).unwrap_or_default();
        match name {
            "router" | "routerBias" | "w1" | "w2" | "w3" | "b1" | "b2" | "b3" => {
                let size = len / experts.len();
                experts.iter().flat_map(|expert| all.iter().skip(expert * size).take(size)).copied().collect()
            }
            "banditPulls" | "banditMeans" => {
                all.chunks_exact(config.experts).flat_map(|of_id| experts.iter().map(|expert| of_id[*expert])).collect()
            }
            _ => all.to_vec(),
        }
    });
    Ok((selected, arrays))
}
