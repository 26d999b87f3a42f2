//! Sparse blocks of Hugging Face transformers: Mixtral, OLMoE, Qwen2-MoE, Qwen3-MoE, DeepSeek-V3, Switch.

use webmoe::config::{Activation, LayerConfig, Renormalize, RouterConfig, Scoring, SharedExpert, TopK};
use webmoe::weights::{LayerWeights, Weights};

use super::super::case::{Case, Expect, What};
use super::super::close::Tol;
use super::super::fixture::{Fixture, family};
use super::combine::{bounded, fixed};
use super::rows::{piece, scattered};

const GATED: [&str; 5] = ["hf_mixtral", "hf_olmoe", "hf_qwen2_moe", "hf_qwen3_moe", "hf_deepseek_v3"];

/// The blocks as layers.
pub fn cases() -> Vec<Case> {
    let gated = GATED.into_iter().flat_map(family).map(|fixture| gated_case(&fixture, false));
    gated.chain(family("hf_switch").iter().map(switch_case)).collect()
}

/// Blocks with ties that `torch.topk` broke in its own way, with the choices it made.
pub fn injected_cases() -> Vec<(Case, Vec<usize>)> {
    let tied = GATED.into_iter().flat_map(family).filter(is_tied);
    tied.map(|fixture| (gated_case(&fixture, true), fixture.indices("out.topk_idx"))).collect()
}

fn is_tied(fixture: &Fixture) -> bool {
    fixture.has_flag("ties") || fixture.has_flag("near_tie")
}

/// A block of gated experts; `injected` if its recorded choices will be used, so that everything can be compared.
fn gated_case(f: &Fixture, injected: bool) -> Case {
    let config = gated_config(f);
    let k = config.k();
    let mut expect = vec![
        Expect::all(What::Logits, f.f64s("out.logits"), f.tol("out.logits")),
        Expect::all(What::SortedWeights, f.f64s("out.topk_weight"), f.tol("out.topk_weight")),
    ];
    let chosen = f.indices("out.topk_idx");
    let sure = injected || !is_tied(f);
    if sure || f.has_flag("tied_experts_identical") {
        expect.push(Expect::all(What::Output, f.f64s("out.y"), f.tol("out.y")));
        expect.push(Expect::all(What::Gradient("x"), f.f64s("g.x"), f.tol("g.x")));
    }
    if sure {
        let weights = scattered(&f.f64s("out.topk_weight"), &chosen, k, config.experts);
        expect.push(Expect::all(What::Weights, weights, f.tol("out.topk_weight")));
        expect.extend(gated_gradients(f, &config));
    }
    if sure && !f.has_flag("underflow_ties") {
        let kept = scattered(&vec![1.0; chosen.len()], &chosen, k, config.experts);
        expect.push(Expect::exact(What::Kept, kept));
        expect.push(Expect::exact(What::Demanded, f.f64s("out.tokens_per_expert")));
    }
    let weights = gated_weights(f, &config);
    let (x, d_output) = (f.f32s("x"), f.f32s("cot.y"));
    Case { id: f.id().to_owned(), config, weights, x, d_output, train: true, draws: None, expect }
}

fn gated_config(f: &Fixture) -> LayerConfig {
    let deepseek = f.id().starts_with("hf_deepseek_v3");
    // What each of their configuration classes does when the case does not say.
    let normalizes = ["hf_mixtral", "hf_qwen3_moe", "hf_deepseek_v3"].iter().any(|family| f.id().starts_with(family));
    let normalizes = f.config("norm").as_bool().unwrap_or(normalizes);
    let mut router = TopK {
        renormalize: if normalizes { Renormalize::PreDrop } else { Renormalize::None },
        ..TopK::new(f.size("k"))
    };
    if deepseek {
        router.scoring = Scoring::Sigmoid;
        router.selection_bias = Some(f.f32s("w.gate.e_score_correction_bias"));
        router.expert_groups = f.size("n_group");
        router.group_limit = f.size("topk_group");
        router.scale = f.config("scale").as_f64().unwrap_or(2.5) as f32;
    }
    let shared_expert = shared_prefix(f).map(|prefix| SharedExpert {
        d_ff: f.shape(&format!("w.{prefix}.gate_proj.weight"))[0],
        gate: f.has("w.shared_expert_gate.weight"),
    });
    let layer = LayerConfig::new(f.size("d"), f.size("ff"), f.size("E"), RouterConfig::TopK(router));
    LayerConfig { activation: Activation::Silu, gated: true, shared_expert, ..layer }
}

/// What the shared expert's arrays are called, if there is one.
fn shared_prefix(f: &Fixture) -> Option<&'static str> {
    ["shared_expert", "shared_experts"].into_iter().find(|prefix| f.has(&format!("w.{prefix}.up_proj.weight")))
}

/// Where an array of the layer is found: the tensor's name, and which of how many pieces of each expert's block.
fn source(f: &Fixture, name: &str) -> (String, usize, usize) {
    let shared = |part: &str| format!("{}.{part}.weight", shared_prefix(f).unwrap_or_default());
    match name {
        "router" => ("gate.weight".to_owned(), 1, 0),
        "w1" => ("experts.gate_up_proj".to_owned(), 2, 0),
        "w3" => ("experts.gate_up_proj".to_owned(), 2, 1),
        "w2" => ("experts.down_proj".to_owned(), 1, 0),
        "sharedW1" => (shared("gate_proj"), 1, 0),
        "sharedW3" => (shared("up_proj"), 1, 0),
        "sharedW2" => (shared("down_proj"), 1, 0),
        "sharedGate" => ("shared_expert_gate.weight".to_owned(), 1, 0),
        other => panic!("{}: no tensor for `{other}`", f.id()),
    }
}

fn gated_weights(f: &Fixture, config: &LayerConfig) -> LayerWeights {
    Weights::build(config, |name, _| {
        let (tensor, parts, part) = source(f, name);
        piece(&f.f32s(&format!("w.{tensor}")), if parts == 1 { 1 } else { config.experts }, parts, part)
    })
}

fn gated_gradients(f: &Fixture, config: &LayerConfig) -> Vec<Expect> {
    let gradient = |(name, _): (&'static str, Vec<usize>)| {
        let (tensor, parts, part) = source(f, name);
        let tensor = format!("g.{tensor}");
        let want = piece(&f.f64s(&tensor), if parts == 1 { 1 } else { config.experts }, parts, part);
        Expect::all(What::Gradient(name), want, f.tol(&tensor))
    };
    webmoe::weights::shapes(config).into_iter().map(gradient).collect()
}

/// Switch: one choice, a capacity for each sequence, and both losses at a tenth.
fn switch_case(f: &Fixture) -> Case {
    let experts = f.size("E");
    let layer = LayerConfig::new(f.size("d"), f.size("ff"), experts, RouterConfig::TopK(TopK::new(1)));
    let config = LayerConfig {
        activation: Activation::Relu,
        router_bias: f.has("w.router.classifier.bias"),
        capacity: bounded(fixed(f.size("capacity"))),
        groups: f.size("B"),
        loss_weights: [("loadBalance".to_owned(), 0.1), ("z".to_owned(), 0.1)].into(),
        ..layer
    };
    let tensor = |kind: &str, e: usize, part: &str| format!("{kind}.experts.expert_{e}.{part}.weight");
    let joined =
        |kind: &str, part: &str| -> Vec<f32> { (0..experts).flat_map(|e| f.f32s(&tensor(kind, e, part))).collect() };
    let weights = Weights {
        router: f.f32s("w.router.classifier.weight"),
        router_bias: config.router_bias.then(|| f.f32s("w.router.classifier.bias")),
        w1: joined("w", "wi"),
        w2: joined("w", "wo"),
        ..Weights::default()
    };

    let (kept, top) = (f.f64s("out.kept"), f.indices("out.top1"));
    let weight: Vec<f64> = kept.iter().zip(f.f64s("out.p_max")).map(|(kept, p)| kept * p).collect();
    let mut demanded = vec![0.0; experts];
    top.iter().for_each(|&e| demanded[e] += 1.0);
    let mut expect = vec![
        Expect::all(What::Logits, f.f64s("out.logits"), f.tol("out.logits")),
        Expect::all(What::Output, f.f64s("out.y"), f.tol("out.y")),
        Expect::all(What::Weights, scattered(&weight, &top, 1, experts), f.tol("out.p_max")),
        Expect::exact(What::Kept, scattered(&kept, &top, 1, experts)),
        Expect::exact(What::Demanded, demanded),
        Expect::exact(What::Load, f.f64s("out.tokens_per_expert")),
        loss(f, "loadBalance", "load_balancing_loss"),
        loss(f, "z", "router_z_loss"),
        Expect::all(What::Gradient("x"), f.f64s("g.x"), f.tol("g.x")),
        gradient(f, "router", "g.router.classifier.weight"),
    ];
    if config.router_bias {
        expect.push(gradient(f, "routerBias", "g.router.classifier.bias"));
    }
    for (name, part, size) in [("w1", "wi", f.size("ff") * f.size("d")), ("w2", "wo", f.size("ff") * f.size("d"))] {
        for e in 0..experts {
            let tensor = tensor("g", e, part);
            let places = (e * size..(e + 1) * size).collect();
            let want = f.f64s(&tensor);
            expect.push(Expect {
                what: What::Gradient(name),
                want,
                at: Some(places),
                through: None,
                tol: f.tol(&tensor),
            });
        }
    }
    let (x, d_output) = (f.f32s("x"), f.f32s("cot.y"));
    Case { id: f.id().to_owned(), config, weights, x, d_output, train: true, draws: None, expect }
}

fn loss(f: &Fixture, name: &'static str, scalar: &str) -> Expect {
    Expect::all(What::Loss(name), vec![f.scalar(scalar)], Tol { abs: 0.0, rel: 1e-4 })
}

fn gradient(f: &Fixture, name: &'static str, tensor: &str) -> Expect {
    Expect::all(What::Gradient(name), f.f64s(tensor), f.tol(tensor))
}
