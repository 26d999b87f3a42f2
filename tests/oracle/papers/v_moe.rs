//! Batch priority (Riquelme et al. 2021): the surest tokens are served first.

use webmoe::config::{Priority, TopK};
use webmoe::reference::routing::Scores;
use webmoe::reference::routing::token_then_expert::{Key, Nominate, Rule, once};
use webmoe::reference::{Forward, Setting, forward};

use super::{layer, logits};
use crate::common::families::combine;

const TOKENS: usize = 40;
const EXPERTS: usize = 4;

fn route(k: usize, slots: usize, priority: Priority, logits: &[f32]) -> Forward {
    let case = combine::case("batch priority", layer(EXPERTS, TopK::new(k), slots, priority), logits.to_vec(), None);
    forward(&case.config, &case.weights, &case.x, Setting::TRAIN).expect("a layer that runs")
}

#[test]
fn an_expert_serves_the_largest_gates_among_those_that_chose_it() {
    let mut dropped = 0;
    for seed in 0..20 {
        let forward = route(1, 7, Priority::Batch, &logits(seed, TOKENS, EXPERTS, 0.8));
        for expert in 0..EXPERTS {
            let choosers = (0..TOKENS).filter(|t| forward.routing.experts[*t] == expert as i32);
            let mut gates: Vec<(f64, usize)> = choosers.map(|t| (forward.scores[t * EXPERTS + expert], t)).collect();
            gates.sort_by(|a, b| b.0.total_cmp(&a.0));
            for (place, (_, token)) in gates.iter().enumerate() {
                let want = if place < 7 { place as i32 } else { -1 };
                assert_eq!(forward.routing.positions[*token], want, "expert {expert}, token {token}");
                dropped += usize::from(want < 0);
            }
        }
    }
    assert!(dropped > 0, "nothing was ever dropped");
}

#[test]
fn with_room_for_all_priority_changes_places_and_nothing_else() {
    for k in [1, 2] {
        let logits = logits(1, TOKENS, EXPERTS, 0.8);
        let (batch, vanilla) =
            (route(k, TOKENS, Priority::Batch, &logits), route(k, TOKENS, Priority::Arrival, &logits));
        assert!(batch.routing.kept.iter().all(|kept| *kept));
        assert_eq!((batch.routing.experts, batch.output), (vanilla.routing.experts, vanilla.output), "k = {k}");
    }
}

#[test]
fn equally_sure_tokens_are_served_as_they_arrive() {
    // every row has the same numbers in another order
    let rows: Vec<f32> = (0..TOKENS).flat_map(|t| (0..EXPERTS).map(move |e| ((t * t + e) % EXPERTS) as f32)).collect();
    for k in [1, 2] {
        let (batch, vanilla) = (route(k, 5, Priority::Batch, &rows), route(k, 5, Priority::Arrival, &rows));
        assert!(vanilla.routing.kept.contains(&false), "some are dropped");
        assert_eq!(batch.routing, vanilla.routing, "k = {k}");
    }
}

#[test]
fn with_one_choice_it_is_one_nomination_by_probability() {
    for seed in 0..20 {
        let logits = logits(seed, TOKENS, EXPERTS, 0.8);
        let forward = route(1, 7, Priority::Batch, &logits);
        let wide: Vec<f64> = logits.iter().map(|h| f64::from(*h)).collect();
        let plan = once(Scores::new(&wide, EXPERTS), Rule { nominate: Nominate::top(1), key: Key::Prob, slots: 7 });
        let served: Vec<(usize, usize)> = (0..TOKENS)
            .filter(|t| forward.routing.kept[*t])
            .map(|t| (t, forward.routing.experts[t] as usize))
            .collect();
        assert_eq!(served, plan.pairs(), "seed {seed}");
    }
}
