//! Expert choice.

use std::rc::Rc;

use webmoe::config::{ExpertChoice, LayerConfig, RouterConfig, SharedExpert};
use webmoe::engine::Engine;
use webmoe::reference::routing::Scores;
use webmoe::reference::routing::expert_choice::choose;
use webmoe::session::{ForwardOptions, Read};

use super::super::super::engine::layer_of;
use super::super::super::inputs::{tokens, weights};
use super::super::super::trial::{Trial, check_trials};
use super::{layer_with, routing, run};

/// Layers of every form of it.
pub fn examples(experts: usize) -> Vec<LayerConfig> {
    vec![layer_with(experts, expert_choice(3))]
}

fn expert_choice(slots: usize) -> RouterConfig {
    RouterConfig::ExpertChoice(ExpertChoice { slots: Some(slots), ..ExpertChoice::new(1.0) })
}

pub async fn expert_choice_agrees_with_the_oracle(engine: &Rc<Engine>) {
    let shared_expert = Some(SharedExpert { d_ff: 13, gate: true });
    let trial = |name: &str, config: LayerConfig, count| Trial::new(format!("expert choice, {name}"), config, count);
    let all_alike = |name: &str, config: LayerConfig, count| {
        let change: fn(&mut webmoe::weights::LayerWeights) = |weights| weights.router.fill(0.0);
        Trial { change, ties: true, ..trial(name, config, count) }
    };
    check_trials(
        engine,
        &[
            trial("by factor", layer_with(5, RouterConfig::ExpertChoice(ExpertChoice::new(1.5))), 37),
            trial("many tokens", layer_with(3, expert_choice(70)), 333),
            trial("one expert", layer_with(1, expert_choice(5)), 9),
            trial("every token", layer_with(4, expert_choice(11)), 11),
            trial("no token", layer_with(4, expert_choice(0)), 11),
            trial("one token", layer_with(4, expert_choice(1)), 1),
            all_alike("equal scores", layer_with(4, expert_choice(3)), 70),
            trial("groups", LayerConfig { groups: 4, router_bias: true, ..layer_with(6, expert_choice(3)) }, 64),
            trial(
                "a shared expert on a mesh",
                LayerConfig { groups: 4, devices: 4, shared_expert, ..layer_with(8, expert_choice(3)) },
                64,
            ),
        ],
    )
    .await;
}

pub async fn every_expert_takes_exactly_as_many_tokens_as_it_may(engine: &Rc<Engine>) {
    for (experts, slots, count) in [(4, 8, 64), (7, 3, 61), (16, 64, 64)] {
        let got = run(engine, &layer_with(experts, expert_choice(slots)), count).await;
        let routing = routing(&got);
        assert_eq!(routing.load, vec![slots as u32; experts]);
        for e in 0..experts as i32 {
            let mut places: Vec<i32> = (0..routing.experts.len())
                .filter(|at| routing.experts[*at] == e)
                .map(|at| routing.positions[at])
                .collect();
            places.sort_unstable();
            assert_eq!(places, (0..slots as i32).collect::<Vec<_>>(), "expert {e}: one token a slot");
        }
    }
}

/// The plan of a forward pass of many tokens is that of the scores it gives, whose ties are as they are.
async fn check_many(engine: &Rc<Engine>, slots: usize) {
    let (experts, count) = (64, 4096);
    let config = layer_with(experts, expert_choice(slots));
    let mut layer = layer_of(engine, &config, &weights(&config, 6)).await;
    let options = ForwardOptions { read: vec![Read::Scores, Read::Routing], ..ForwardOptions::default() };
    let output = layer.forward(&tokens(&config, 6, count), &options).await.expect("a layer that runs");
    let (scores, routing) = (output.scores.expect("scores were read"), output.routing.expect("routing was read"));
    let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
    let wanted = choose(Scores::new(&scores, experts), slots).expect("no more than there are").buffers(experts);
    for (e, wanted) in wanted.into_iter().enumerate() {
        let mut got = vec![usize::MAX; slots];
        for at in (0..routing.experts.len()).filter(|at| routing.experts[*at] == e as i32) {
            got[routing.positions[at] as usize] = at / routing.slots;
        }
        assert_eq!(got, wanted, "expert {e} of {slots} places");
    }
}

pub async fn thousands_of_tokens_are_ranked_exactly(engine: &Rc<Engine>) {
    check_many(engine, 128).await;
    check_many(engine, 4096).await;
}
