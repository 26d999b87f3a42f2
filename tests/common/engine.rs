//! Cases on an engine, through the session as the bindings use it.

use std::rc::Rc;

use webmoe::engine::Engine;
use webmoe::session::{BackwardRead, ForwardOptions, Runtime};
use webmoe::weights::NAMES;

use super::case::Case;
use super::got::{Got, GotRouting};

/// Forward and backward of a case, everything read.
pub async fn run(engine: &Rc<Engine>, case: &Case) -> Result<Got, webmoe::error::Error> {
    let runtime = Runtime::sharing(engine.clone());
    let mut layer = runtime.create_layer(case.config.clone()).await?;
    let given = NAMES.iter().filter_map(|name| Some(((*name).to_owned(), case.weights.get(name)?.to_vec()))).collect();
    layer.set_weights(given).await?;
    let options = ForwardOptions { train: case.train, ..ForwardOptions::default() };
    let forward = layer.forward(&case.x, &options).await?;
    let read = [BackwardRead::X, BackwardRead::Weights, BackwardRead::Traffic];
    let backward = layer.backward(&case.d_output, &read).await?;

    let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let routing = forward.routing.expect("routing was read");
    let weights = backward.weights.expect("weights were read");
    let mut gradients = vec![("x".to_owned(), wide(&backward.x.expect("x was read")))];
    gradients.extend(NAMES.iter().filter_map(|name| Some(((*name).to_owned(), wide(weights.get(name)?)))));
    Ok(Got {
        output: wide(&forward.output.expect("the output was read")),
        logits: None,
        routing: GotRouting {
            slots: routing.slots,
            experts: routing.experts,
            weights: wide(&routing.weights),
            positions: routing.positions,
            kept: routing.kept.iter().map(|k| *k == 1).collect(),
            demanded: routing.demanded,
            load: routing.load,
        },
        losses: forward
            .losses
            .expect("losses were read")
            .into_iter()
            .map(|(n, v)| (n.to_owned(), f64::from(v)))
            .collect(),
        gradients: gradients.into_iter().collect(),
    })
}

/// Everything in which an engine differs from what is known of the cases; panics with all of it.
pub async fn check_all(engine: &Rc<Engine>, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        match run(engine, case).await {
            Ok(got) => wrong.extend(case.check(&got)),
            Err(error) => wrong.push(format!("{}: {error}", case.id)),
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
