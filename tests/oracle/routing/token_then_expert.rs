//! Tokens name, experts choose: what is kept, how much of it, and which known routers are special cases.

use webmoe::config::{Capacity, Order, Priority, Slots, TopK};
use webmoe::reference::routing::expert_choice::choose;
use webmoe::reference::routing::no_token_left_behind;
use webmoe::reference::routing::token_then_expert::{
    Key, Nominate, Rule, blocking_pairs, deferred, deferred_within, immediate, keys, nominees, once, rounds, threshold,
};
use webmoe::reference::routing::{Plan, Scores, best, over_experts};

use super::{assert_sound, normal, reordered, restored, shuffled, skewed, tied};
use crate::common::families::combine;

const KEYS: [Key; 5] = [Key::Prob, Key::Logit, Key::Margin, Key::Regret, Key::Arrival];
/// (T, E, m, C).
const SIZES: [(usize, usize, usize, usize); 6] =
    [(6, 3, 2, 2), (24, 4, 2, 5), (37, 5, 3, 8), (16, 16, 4, 2), (9, 2, 2, 3), (12, 1, 1, 4)];

fn rule(m: usize, key: Key, slots: usize) -> Rule {
    Rule { nominate: Nominate::top(m), key, slots }
}

/// Every size with several score matrices, ties among them.
fn each(mut check: impl FnMut(Scores, usize, usize)) {
    for (tokens, experts, m, slots) in SIZES {
        for seed in 0..3 {
            for values in [normal(seed, tokens, experts), skewed(seed, tokens, experts), tied(seed, tokens, experts)] {
                check(Scores::new(&values, experts), m, slots);
            }
        }
    }
}

fn contains(plan: &Plan, part: &Plan) -> bool {
    part.pairs().iter().all(|pair| plan.pairs().contains(pair))
}

#[test]
fn every_form_keeps_its_bounds_and_only_what_was_named() {
    each(|logits, m, slots| {
        let experts = logits.experts();
        for key in KEYS {
            let rule = rule(m, key, slots);
            let open = vec![f64::NEG_INFINITY; experts];
            for (k, plan) in [
                (m, once(logits, rule)),
                (1, rounds(logits, rule, 1, 3)),
                (2, rounds(logits, rule, 2, 50)),
                (1, deferred(logits, rule, 1)),
                (2, deferred(logits, rule, 2)),
                (1, immediate(logits, rule, 1)),
                (m, threshold(logits, rule, &open)),
            ] {
                assert_sound(&plan, experts);
                assert!(plan.load(experts).iter().all(|&n| n <= slots), "at most C");
                assert!(plan.experts.iter().all(|chosen| chosen.len() <= m.min(k)), "at most min(m, k)");
                let named = nominees(logits, rule.nominate);
                assert!(plan.pairs().iter().all(|(token, expert)| named[*token].contains(expert)));
            }
        }
    });
}

#[test]
fn one_look_keeps_as_many_pairs_as_there_are_whatever_the_key() {
    each(|logits, m, slots| {
        let experts = logits.experts();
        let mut named = vec![0; experts];
        nominees(logits, Nominate::top(m)).iter().flatten().for_each(|&expert| named[expert] += 1);
        let want: Vec<usize> = named.into_iter().map(|n: usize| n.min(slots)).collect();
        for key in KEYS {
            assert_eq!(once(logits, rule(m, key, slots)).load(experts), want, "{key:?}");
        }
    });
}

#[test]
fn more_places_keep_all_that_fewer_kept() {
    each(|logits, m, _| {
        for key in KEYS {
            for slots in 0..logits.tokens() {
                let [few, more] = [slots, slots + 1].map(|slots| rule(m, key, slots));
                assert!(contains(&once(logits, more), &once(logits, few)), "{key:?}");
                let [few, more] = [few, more].map(|rule| deferred(logits, rule, 1).pairs().len());
                assert!(few <= more, "{key:?}: {few} pairs, with one place more {more}");
            }
        }
    });
}

#[test]
fn one_nomination_is_batch_priority_with_one_choice() {
    for (seed, tokens, experts, slots) in [(1, 6, 3, 2), (2, 40, 4, 7), (3, 33, 5, 4)] {
        let logits: Vec<f32> = skewed(seed, tokens, experts).into_iter().map(|h| h as f32).collect();
        let mut config = combine::config(experts, TopK::new(1));
        let places = Slots::Fixed { slots };
        config.capacity = Capacity::Bounded { slots: places, priority: Priority::Batch, order: Order::Rank };
        let case = combine::case("one nomination", config, logits.clone(), None);
        let layer = webmoe::reference::forward(&case.config, &case.weights, &case.x, webmoe::reference::Setting::TRAIN)
            .expect("a layer that runs");
        let logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
        let plan = once(Scores::new(&logits, experts), rule(1, Key::Prob, slots));
        let (mut chosen, mut places) = (Vec::new(), Vec::new());
        for token in 0..tokens {
            let kept = layer.routing.kept[token];
            chosen.push(if kept { vec![layer.routing.experts[token] as usize] } else { vec![] });
            places.push(if kept { vec![layer.routing.positions[token] as usize] } else { vec![] });
        }
        assert_eq!(plan, Plan { experts: chosen, slots: places });
        assert!(plan.pairs().len() < tokens, "some were dropped");
    }
}

#[test]
fn with_all_experts_named_it_is_expert_choice() {
    each(|logits, _, slots| {
        let experts = logits.experts();
        let p = over_experts(logits);
        let by_prob = once(logits, rule(experts, Key::Prob, slots));
        assert_eq!(by_prob.pairs(), choose(Scores::new(&p, experts), slots).expect("C of T").pairs());
        let by_logit = once(logits, rule(experts, Key::Logit, slots));
        assert_eq!(by_logit, choose(logits, slots).expect("C of T"));
    });
}

#[test]
fn with_room_for_all_it_is_token_choice() {
    each(|logits, m, _| {
        for key in KEYS {
            let rule = rule(m, key, logits.tokens());
            let top: Vec<_> = (0..logits.tokens()).map(|t| best(logits.row(t), m)).collect();
            assert_eq!(once(logits, rule).experts, top);
            assert_eq!(deferred(logits, rule, m).experts, top);
            assert_eq!(immediate(logits, rule, m).experts, top);
        }
    });
}

#[test]
fn by_arrival_and_for_good_it_is_no_token_left_behind() {
    each(|logits, m, slots| {
        let plan = immediate(logits, rule(m, Key::Arrival, slots), 1);
        assert_eq!(plan, no_token_left_behind::route(logits, m, slots));
    });
}

#[test]
fn no_token_is_left_behind_while_there_is_room() {
    each(|logits, _, _| {
        let (tokens, experts) = (logits.tokens(), logits.experts());
        let plan = no_token_left_behind::route(logits, experts, tokens.div_ceil(experts));
        assert!(plan.experts.iter().all(|chosen| chosen.len() == 1), "all are served after E rounds");
        let mut served: Option<Plan> = None;
        for rounds in 0..=experts {
            let plan = no_token_left_behind::route(logits, rounds, 2);
            assert!(served.is_none_or(|served| contains(&plan, &served)), "a round more takes nothing away");
            served = Some(plan);
        }
    });
}

#[test]
fn deferred_acceptance_leaves_no_pair_that_would_rather_have_each_other() {
    each(|logits, m, slots| {
        for key in KEYS {
            for k in 1..=m {
                let rule = rule(m, key, slots);
                assert_eq!(blocking_pairs(logits, rule, k, &deferred(logits, rule, k)), 0, "{key:?}, k {k}");
            }
        }
    });
}

#[test]
fn second_looks_end_where_deferred_acceptance_does() {
    each(|logits, m, slots| {
        for key in [Key::Prob, Key::Logit, Key::Margin, Key::Arrival] {
            for k in 1..=m {
                let rule = rule(m, key, slots);
                let enough = logits.tokens() * logits.experts() + 1;
                assert_eq!(rounds(logits, rule, k, enough), deferred(logits, rule, k), "{key:?}, k {k}");
            }
        }
    });
}

#[test]
fn closed_tokens_lead_to_the_same_plan_in_no_more_rounds() {
    let mut sooner = 0;
    each(|logits, m, slots| {
        for key in [Key::Prob, Key::Logit, Key::Margin, Key::Arrival] {
            for k in 1..=m {
                let rule = rule(m, key, slots);
                let stable = deferred(logits, rule, k);
                let enough = logits.tokens() * logits.experts() + 1;
                let needed =
                    |plan: &dyn Fn(usize) -> Plan| (1..=enough).find(|&n| plan(n) == stable).expect("enough rounds");
                let closing = needed(&|n| deferred_within(logits, rule, k, n).0);
                let asking = needed(&|n| rounds(logits, rule, k, n));
                assert!(closing <= asking, "{key:?}, k {k}: {closing} rounds instead of {asking}");
                assert_eq!(deferred_within(logits, rule, k, enough), (stable, 0), "{key:?}, k {k}");
                sooner += usize::from(closing < asking);
            }
        }
    });
    assert!(sooner > 0, "some ended sooner");
}

#[test]
fn no_token_left_behind_drops_only_whom_switch_drops() {
    each(|logits, _, slots| {
        let switch = immediate(logits, rule(1, Key::Arrival, slots), 1);
        for ranks in 1..=logits.experts() {
            assert!(contains(&no_token_left_behind::route(logits, ranks, slots), &switch), "{ranks} ranks");
        }
    });
}

#[test]
fn second_looks_serve_tokens_that_the_first_left_out() {
    let values = skewed(4, 40, 5);
    let logits = Scores::new(&values, 5);
    let pairs = |n| rounds(logits, rule(3, Key::Prob, 8), 1, n).pairs().len();
    assert!(pairs(1) < pairs(2) && pairs(2) <= pairs(20), "{} {} {}", pairs(1), pairs(2), pairs(20));
}

#[test]
fn deferred_acceptance_takes_named_pairs_by_descending_key() {
    each(|logits, m, slots| {
        let (tokens, experts) = (logits.tokens(), logits.experts());
        for key in KEYS {
            let rule = rule(m, key, slots);
            let values = keys(logits, key, &vec![true; experts]);
            let named = nominees(logits, rule.nominate);
            let mut pairs: Vec<(usize, usize)> =
                (0..tokens).flat_map(|token| named[token].iter().map(move |&expert| (token, expert))).collect();
            pairs.sort_by(|a, b| values[b.0 * experts + b.1].total_cmp(&values[a.0 * experts + a.1]));
            for k in 1..=m {
                let mut buffers = vec![Vec::new(); experts];
                let mut held = vec![0; tokens];
                for &(token, expert) in &pairs {
                    if held[token] < k && buffers[expert].len() < slots {
                        buffers[expert].push(token);
                        held[token] += 1;
                    }
                }
                let plan = deferred(logits, rule, k);
                assert_eq!(plan, Plan::from_buffers(logits, &buffers), "{key:?}, k {k}");
            }
        }
    });
}

#[test]
fn there_is_one_stable_plan_and_deferred_acceptance_finds_it() {
    for (seed, key) in (0..10).flat_map(|seed| KEYS.map(|key| (seed, key))) {
        let values = normal(seed, 4, 4);
        let logits = Scores::new(&values, 4);
        let rule = rule(4, key, 1);
        let mut stable = Vec::new();
        for code in 0..5usize.pow(4) {
            let mut buffers = vec![Vec::new(); 4];
            let choice = |token: u32| code / 5usize.pow(token) % 5;
            (0..4).filter(|&t| choice(t) < 4).for_each(|t| buffers[choice(t)].push(t as usize));
            let plan = Plan::from_buffers(logits, &buffers);
            if buffers.iter().all(|buffer| buffer.len() <= 1) && blocking_pairs(logits, rule, 1, &plan) == 0 {
                stable.push(plan);
            }
        }
        assert_eq!(stable, [deferred(logits, rule, 1)], "seed {seed}, {key:?}");
    }
}

#[test]
fn blocking_pairs_are_counted() {
    // Both tokens prefer expert 0; it has one place and prefers token 1.
    let logits = [2.0, 0.0, 3.0, 0.0];
    let logits = Scores::new(&logits, 2);
    let rule = rule(2, Key::Prob, 1);
    let count = |buffers: [Vec<usize>; 2]| blocking_pairs(logits, rule, 1, &Plan::from_buffers(logits, &buffers));
    assert_eq!(count([vec![1], vec![0]]), 0);
    assert_eq!(count([vec![0], vec![1]]), 1, "token 1 and expert 0");
    assert_eq!(count([vec![0], vec![]]), 2, "and the free expert 1 as well");
    assert_eq!(count([vec![], vec![]]), 4);
    assert_eq!(blocking_pairs(logits, rule, 0, &Plan::from_buffers(logits, &[vec![], vec![]])), 0, "nobody may");
}

#[test]
fn accepting_for_good_can_block() {
    let blocked = |seed| {
        let values = skewed(seed, 24, 4);
        let logits = Scores::new(&values, 4);
        let rule = rule(4, Key::Logit, 6);
        blocking_pairs(logits, rule, 1, &immediate(logits, rule, 1))
    };
    assert!((0..20).any(|seed| blocked(seed) > 0));
}

#[test]
fn keys_are_what_their_names_say() {
    let logits = [0.5f64.ln(), 0.3f64.ln(), 0.2f64.ln()];
    let of = |key, room: [bool; 3]| keys(Scores::new(&logits, 3), key, &room);
    let close = |got: Vec<f64>, want: [f64; 3]| got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-12);
    assert!(close(of(Key::Prob, [true; 3]), [0.5, 0.3, 0.2]));
    assert!(close(of(Key::Logit, [true; 3]), logits));
    assert!(close(of(Key::Margin, [true; 3]), [0.2, -0.2, -0.3]));
    assert!(close(of(Key::Regret, [true; 3]), [0.2, -0.2, -0.3]), "with room everywhere it is the margin");
    assert!(close(of(Key::Regret, [true, false, true]), [0.3, -0.2, -0.3]));
    assert!(close(of(Key::Regret, [false; 3]), [0.5, 0.3, 0.2]), "refused, it gets nothing");
    assert_eq!(keys(Scores::new(&[1.0, 2.0], 1), Key::Arrival, &[true]), [0.0, -1.0]);
    assert_eq!(keys(Scores::new(&[1.0, 2.0], 1), Key::Margin, &[true]), [1.0, 1.0], "there is no other");
}

#[test]
fn a_least_probability_names_as_many_as_reach_it() {
    let logits = [0.5f64.ln(), 0.3f64.ln(), 0.2f64.ln(), 0.1f64.ln(), 0.1f64.ln(), 0.8f64.ln()];
    let logits = Scores::new(&logits, 3);
    let named = |least| nominees(logits, Nominate::at_least(least));
    assert_eq!(named(0.0), [[0, 1, 2], [2, 0, 1]]);
    assert_eq!(named(0.25), [vec![0, 1], vec![2]]);
    assert_eq!(named(0.6), [vec![], vec![2]]);
    let rule = Rule { nominate: Nominate::at_least(0.25), key: Key::Prob, slots: 1 };
    assert_eq!(once(logits, rule).buffers(3), [vec![0], vec![0], vec![1]]);
}

#[test]
fn names_do_not_matter() {
    for seed in 0..4 {
        let values = skewed(seed, 30, 5);
        let scores = Scores::new(&values, 5);
        let (tokens, experts) = (shuffled(seed, 30), shuffled(seed + 9, 5));
        let moved = reordered(scores, &tokens, &experts);
        for key in [Key::Prob, Key::Logit, Key::Margin, Key::Regret] {
            let rule = rule(3, key, 5);
            let plans = |s: Scores| [once(s, rule), rounds(s, rule, 1, 4), deferred(s, rule, 2), immediate(s, rule, 1)];
            for (one, two) in plans(scores).iter().zip(&plans(Scores::new(&moved, 5))) {
                assert_eq!(one.pairs(), restored(two, &tokens, &experts), "{key:?}");
            }
        }
    }
}

#[test]
fn with_thresholds_no_token_depends_on_a_later_one() {
    let (before, after) = (skewed(5, 32, 4), skewed(6, 32, 4));
    for key in [Key::Prob, Key::Logit, Key::Margin] {
        let rule = rule(2, key, 6);
        let thresholds = [0.3, 0.2, -0.1, 0.25];
        let whole = threshold(Scores::new(&before, 4), rule, &thresholds);
        let mut looks_ahead = false;
        for at in 0..32 {
            let changed = [&before[..4 * (at + 1)], &after[4 * (at + 1)..]].concat();
            let other = threshold(Scores::new(&changed, 4), rule, &thresholds);
            assert_eq!(other.experts[..=at], whole.experts[..=at], "{key:?}, token {at}");
            assert_eq!(other.slots[..=at], whole.slots[..=at], "{key:?}, token {at}");
            let [one, two] = [&before, &changed].map(|values| once(Scores::new(values, 4), rule));
            looks_ahead |= one.experts[..=at] != two.experts[..=at];
        }
        assert!(looks_ahead, "{key:?}: without thresholds they do");
    }
}

#[test]
fn a_threshold_admits_from_its_value_on_in_order_of_arrival() {
    let logits = [1.0, 3.0, 2.0, 2.0, 5.0, 0.0];
    let rule = rule(1, Key::Logit, 3);
    let buffers = |least| threshold(Scores::new(&logits, 1), rule, &[least]).buffers(1);
    assert_eq!(buffers(2.0), [[1, 2, 3]], "the best comes too late");
    assert_eq!(buffers(2.5), [[1, 4]]);
    assert!(buffers(f64::INFINITY)[0].is_empty());
}

#[test]
fn of_equal_tokens_the_lower_is_kept() {
    let values = [1.0; 15];
    let logits = Scores::new(&values, 3);
    for key in KEYS {
        let rule = rule(2, key, 2);
        assert_eq!(once(logits, rule).buffers(3), [vec![0, 1], vec![0, 1], vec![]], "{key:?}");
        assert_eq!(deferred(logits, rule, 1).buffers(3), [vec![0, 1], vec![2, 3], vec![]], "{key:?}");
    }
}

#[test]
fn nothing_comes_of_nothing() {
    for key in KEYS {
        let all = |logits: Scores, rule: Rule, k| {
            [
                once(logits, rule),
                rounds(logits, rule, k, 3),
                deferred(logits, rule, k),
                immediate(logits, rule, k),
                threshold(logits, rule, &[0.0; 3]),
            ]
        };
        assert!(all(Scores::new(&[], 3), rule(2, key, 2), 1).iter().all(|plan| plan.experts.is_empty()));
        let values = normal(1, 5, 3);
        let logits = Scores::new(&values, 3);
        assert!(all(logits, rule(2, key, 0), 1).iter().all(|plan| plan.pairs().is_empty()), "no places");
        assert!(all(logits, rule(0, key, 2), 1).iter().all(|plan| plan.pairs().is_empty()), "nobody named");
        assert!(all(logits, rule(2, key, 2), 0)[1..4].iter().all(|plan| plan.pairs().is_empty()), "nobody may");
    }
    assert!(no_token_left_behind::route(Scores::new(&[], 3), 3, 2).experts.is_empty());
    assert_eq!(no_token_left_behind::route(Scores::new(&[1.0; 6], 3), 0, 2).pairs(), []);
}

#[test]
fn nan_names_nobody_before_numbers_and_is_kept_last() {
    let values = [f64::NAN, 1.0, 2.0, f64::NAN, f64::NAN, f64::NAN, 1.0, 0.5];
    let logits = Scores::new(&values, 2);
    assert_eq!(nominees(logits, Nominate::top(1)), [[1], [0], [0], [0]]);
    for key in [Key::Prob, Key::Logit, Key::Margin, Key::Regret] {
        let plan = once(logits, rule(1, key, 2));
        assert_eq!(plan.experts, [vec![1], vec![0], vec![], vec![0]], "{key:?}");
    }
}
