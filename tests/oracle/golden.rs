//! Six tokens and three experts, small enough to do by hand.

use webmoe::config::{Capacity, Order, Priority, Slots, TopK};
use webmoe::reference::{Forward, Setting, forward};

use crate::common::close::{Tol, assert_close};
use crate::common::families::combine;

const LOGITS: [f32; 18] = [2.0, 1.0, 0.0, 3.0, 2.5, 0.5, 1.5, 1.4, 0.2, 2.2, 0.1, 2.0, 0.3, 0.9, 0.4, 2.8, 0.0, 1.0];

fn route(k: usize, priority: Priority) -> Forward {
    let mut config = combine::config(3, TopK::new(k));
    config.capacity = Capacity::Bounded { slots: Slots::Fixed { slots: 2 }, priority, order: Order::Rank };
    let case = combine::case("golden", config, LOGITS.to_vec(), None);
    forward(&case.config, &case.weights, &case.x, Setting::TRAIN).expect("a layer that runs")
}

/// Kept (token, expert) pairs, in the order of the tokens.
fn kept(forward: &Forward) -> Vec<(usize, i32)> {
    let routing = &forward.routing;
    (0..routing.kept.len()).filter(|&i| routing.kept[i]).map(|i| (i / routing.slots, routing.experts[i])).collect()
}

#[test]
fn probabilities_are_those_of_the_sheet() {
    let want = [
        0.6652, 0.2447, 0.0900, 0.5922, 0.3592, 0.0486, 0.4593, 0.4156, 0.1252, 0.5151, 0.0631, 0.4218, 0.2546, 0.4640,
        0.2814, 0.8156, 0.0496, 0.1348,
    ];
    assert_close("p", &route(1, Priority::Arrival).scores, &want, 3, Tol { abs: 5e-5, rel: 0.0 });
}

#[test]
fn switch_keeps_the_first_two_tokens_of_each_expert() {
    let forward = route(1, Priority::Arrival);
    assert_eq!(forward.routing.experts, [0, 0, 0, 0, 1, 0]);
    assert_eq!(kept(&forward), [(0, 0), (1, 0), (4, 1)]);
    assert_eq!((forward.routing.demanded, forward.routing.load), (vec![5, 1, 0], vec![2, 1, 0]));
}

#[test]
fn batch_priority_keeps_the_two_surest_tokens_of_each_expert() {
    let forward = route(1, Priority::Batch);
    assert_eq!(kept(&forward), [(0, 0), (4, 1), (5, 0)]);
    assert_eq!(forward.routing.positions, [1, -1, -1, -1, 0, 0], "the surest token comes first");
}

#[test]
fn second_choices_wait_for_all_first_choices() {
    let forward = route(2, Priority::Arrival);
    assert_eq!(kept(&forward), [(0, 0), (0, 1), (1, 0), (3, 2), (4, 1), (4, 2)]);
}

#[test]
fn losses_are_those_of_the_sheet() {
    let losses = route(1, Priority::Arrival).losses;
    let got = [losses["loadBalance"], losses["z"], losses["importance"]];
    assert_close("losses", &got, &[1.50888, 7.23466, 0.22211], 3, Tol { abs: 5e-6, rel: 0.0 });
}

#[test]
fn the_balance_of_first_choices_does_not_look_at_second_ones() {
    let [one, two] = [1, 2].map(|k| route(k, Priority::Arrival).losses);
    assert_eq!(one["loadBalanceFirst"], one["loadBalance"], "one choice");
    assert_eq!(two["loadBalanceFirst"], one["loadBalanceFirst"], "two choices");
    assert!(two["loadBalance"] < one["loadBalance"], "second choices spread the load");
}

#[test]
fn the_loss_of_second_places_is_what_one_finds_by_hand() {
    let mut config = combine::config(3, TopK::new(2));
    config.loss_weights = [("secondPlace".to_owned(), 0.0)].into();
    let case = combine::case("golden", config, LOGITS.to_vec(), None);
    let forward = forward(&case.config, &case.weights, &case.x, Setting::TRAIN).expect("a layer that runs");
    assert_eq!(forward.routing.experts, [0, 1, 0, 1, 0, 1, 0, 2, 1, 2, 0, 2], "second: three times 1, three times 2");
    // of the shares without the first choice, expert 0 has some in the fifth token alone: e^0.3 to e^0.4
    let of_first = 1.0 / (1.0 + 0.1_f64.exp()) / 6.0;
    let want = 3.0 * 0.5 * (1.0 - of_first);
    assert_close("secondPlace", &[forward.losses["secondPlace"]], &[want], 1, Tol { abs: 1e-7, rel: 0.0 });
}

#[test]
fn load_is_the_squared_variation_of_the_demanded_counts() {
    // 5, 1 and 0 tokens: mean 2, variance (9 + 1 + 4)/3.
    let load = route(1, Priority::Arrival).losses["load"];
    assert_close("load", &[load], &[14.0 / 3.0 / 4.0], 1, Tol { abs: 1e-9, rel: 0.0 });
}
