//! Bytes between virtual devices, by count and by the golden table.

use webmoe::config::{
    Capacity, CapacityPer, LayerConfig, Negotiation, Order, Priority, Rounding, RouterConfig, Slots, TokenThenExpert,
    TopK,
};
use webmoe::init::init;
use webmoe::reference::routing::best;
use webmoe::reference::{Exchange, Op, Pass, Setting, Traffic, backward, forward};
use webmoe::rng::uniform_f32;

/// Four devices of 256 tokens, eight experts, width 64: the setting of the golden table.
fn traffic(k: usize, capacity: Capacity) -> [Traffic; 2] {
    let layer = LayerConfig::new(64, 4, 8, RouterConfig::TopK(TopK::new(k)));
    let config = LayerConfig { capacity, groups: 4, devices: 4, ..layer };
    let x: Vec<f32> = (0..1024 * 64).map(|i| 2.0 * uniform_f32(5, 0, 0, i, 0) - 1.0).collect();
    let weights = init(&config);
    let forward = forward(&config, &weights, &x, Setting::TRAIN).expect("a layer that runs");
    let gradients = backward(&config, &weights, &x, &forward, &x).expect("a layer that runs");

    let mut rows = [0; 16];
    for (i, _) in forward.routing.kept.iter().enumerate().filter(|(_, kept)| **kept) {
        rows[i / k / 256 * 4 + forward.routing.experts[i] as usize / 2] += 64 * 4;
    }
    for exchange in forward.traffic.exchanges.iter().filter(|exchange| exchange.op == Op::Dispatch) {
        assert_eq!(exchange.useful_bytes, rows, "the rows that were kept, counted one by one");
    }
    [forward.traffic, gradients.traffic]
}

fn by_factor(factor: f64, per: CapacityPer) -> Capacity {
    let slots = Slots::Factor { factor, eval_factor: factor, per, round: Rounding::Ceil, min: 0, multiple_of: 1 };
    Capacity::Bounded { slots, priority: Priority::Arrival, order: Order::Rank }
}

/// What a device sends to the others in an exchange.
fn sent(exchange: &Exchange, device: usize) -> u64 {
    (0..4).filter(|&to| to != device).map(|to| exchange.bytes[device * 4 + to]).sum()
}

#[test]
fn padded_exchanges_move_the_bytes_of_the_golden_table() {
    for (label, k, factor, per, wanted) in [
        ("Switch, factor 1", 1, 1.0, CapacityPer::Token, 49_152),
        ("Switch, factor 1.25", 1, 1.25, CapacityPer::Token, 61_440),
        ("top-2, factor 1.25 per token", 2, 1.25, CapacityPer::Token, 61_440),
        ("top-2, factor 1.25 per assignment", 2, 1.25, CapacityPer::Assignment, 122_880),
    ] {
        let passes = traffic(k, by_factor(factor, per));
        let exchanges: Vec<_> = passes.iter().flat_map(|pass| &pass.exchanges).collect();
        assert_eq!(exchanges.len(), 4, "{label}: two exchanges each way");
        for device in 0..4 {
            assert!(exchanges.iter().all(|exchange| sent(exchange, device) == wanted), "{label}: device {device}");
        }
        let network: u64 = passes.iter().map(Traffic::network_bytes).sum();
        assert_eq!(network, 4 * 4 * wanted, "{label}: all devices, all exchanges");
    }
}

#[test]
fn dropless_exchanges_move_just_the_rows_and_their_counts() {
    let [there, back] = traffic(2, Capacity::Dropless);
    let ops = |traffic: &Traffic| traffic.exchanges.iter().map(|e| (e.pass, e.op)).collect::<Vec<_>>();
    let forward = Pass::Forward;
    assert_eq!(ops(&there), [(forward, Op::Counts), (forward, Op::Dispatch), (forward, Op::Combine)]);
    assert_eq!(ops(&back), [(Pass::Backward, Op::Combine), (Pass::Backward, Op::Dispatch)]);
    assert_eq!(there.exchanges[0].bytes, [8; 16], "a count for each of two experts, between any two devices");
    assert_eq!(there.exchanges[1].bytes.iter().sum::<u64>(), 1024 * 2 * 64 * 4, "every assignment travels once");
    assert!(there.exchanges.iter().all(|exchange| exchange.bytes == exchange.useful_bytes), "nothing is padding");
}

#[test]
fn a_handshake_sends_numbers_first_and_then_only_rows_that_are_accepted() {
    for (rounds, k) in [(1, 2), (3, 1)] {
        let named = TokenThenExpert { exchange: Negotiation::Handshake, rounds, k, ..TokenThenExpert::new(2) };
        let layer = LayerConfig::new(64, 4, 8, RouterConfig::TokenThenExpert(named));
        let config = LayerConfig { devices: 4, ..layer };
        let x: Vec<f32> = (0..1024 * 64).map(|i| 2.0 * uniform_f32(5, 0, 0, i, 0) - 1.0).collect();
        let weights = init(&config);
        let forward = forward(&config, &weights, &x, Setting::TRAIN).expect("a layer that runs");
        let back = backward(&config, &weights, &x, &forward, &x).expect("a layer that runs").traffic;
        let there = forward.traffic.exchanges;
        let ops: Vec<Op> = there.iter().map(|exchange| exchange.op).collect();
        assert_eq!(ops, [Op::Nominate, Op::Reply, Op::Dispatch, Op::Combine]);
        assert_eq!(back.exchanges.iter().map(|exchange| exchange.op).collect::<Vec<_>>(), [Op::Combine, Op::Dispatch]);
        // the two best of each token, counted one by one
        let mut named = [0; 16];
        for (token, h) in forward.logits.chunks_exact(8).enumerate() {
            best(h, 2).into_iter().for_each(|e| named[token / 256 * 4 + e / 2] += 1);
        }
        let bits = |from: usize, to: usize| (named[from * 4 + to] as u64).div_ceil(8);
        for (from, to) in (0..16).map(|i| (i / 4, i % 4)) {
            let asked = named[from * 4 + to] as u64 * 8 + (rounds as u64 - 1) * bits(from, to);
            assert_eq!(there[0].bytes[from * 4 + to], asked, "{rounds} rounds: key and token, then who leaves");
            assert_eq!(there[1].bytes[from * 4 + to], rounds as u64 * bits(to, from), "{rounds} rounds: a bit each");
        }
        let sent = |device: usize| there[0].bytes[4 * device..][..4].iter().sum::<u64>();
        assert!(rounds > 1 || (0..4).all(|device| sent(device) == 4096), "256 tokens, two nominations, eight bytes");
        let rows = 64 * 4 * u64::from(forward.routing.load.iter().sum::<u32>());
        for exchange in there[2..].iter().chain(&back.exchanges) {
            assert_eq!((exchange.bytes.iter().sum::<u64>(), &exchange.bytes), (rows, &exchange.useful_bytes));
        }
    }
}

#[test]
fn what_goes_there_comes_back_the_other_way() {
    for capacity in [Capacity::Dropless, by_factor(1.0, CapacityPer::Token)] {
        let [there, back] = traffic(2, capacity);
        let payload = &there.exchanges[there.exchanges.len() - 2..];
        let turned = |bytes: &[u64]| (0..16).map(|i| bytes[i % 4 * 4 + i / 4]).collect::<Vec<_>>();
        let both = |exchange: &Exchange| [exchange.bytes.clone(), exchange.useful_bytes.clone()];
        let turned = |exchange: &Exchange| both(exchange).map(|bytes| turned(&bytes));
        assert_eq!(both(&payload[1]), turned(&payload[0]), "combine is dispatch transposed");
        assert_eq!(both(&back.exchanges[0]), turned(&payload[1]), "backward of combine");
        assert_eq!(both(&back.exchanges[1]), turned(&payload[0]), "backward of dispatch");
    }
}
