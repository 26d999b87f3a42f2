//! A training step as a recording, without a session.

use webmoe::config::LayerConfig;
use webmoe::cpu::CpuEngine;
use webmoe::engine::Engine;
use webmoe::layer::{
    Backward, Batch, ForwardPass, Gradient, Parameters, Sizes, pack, record_backward, record_forward, record_losses,
    record_sgd, widths,
};
use webmoe::recording::{Buffer, Recording};
use webmoe::router;
use webmoe::shader::Tiling;
use webmoe::shape::pad_rows;

use super::inputs::{d_output, labels, noise, tokens, weights};

/// The twins behind an engine.
pub fn cpu_of(engine: &Engine) -> &CpuEngine {
    match engine {
        Engine::Cpu(cpu) => cpu,
        Engine::Gpu(_) => panic!("recordings are made on the CPU engine"),
    }
}

/// A training step of a layer on `count` tokens, recorded on buffers of `cpu` for one tiling: upload, forward, losses, backward, update.
pub async fn training_step(cpu: &Engine, config: &LayerConfig, count: usize, tiling: Tiling) -> Recording {
    let sizes = Sizes::of(config);
    let dims = sizes.dims(config, count, true, (1, 0)).expect("tokens that can be split");
    let made = "the CPU engine has room";
    let mut batch = Batch::create(cpu, &sizes, &dims).await.expect(made);
    // the tile table of the batch's own tiling may be too short for this one: take the longest there is
    let tiles = 4 * (sizes.rows(&dims) + sizes.all());
    batch.tiles = Buffer::new(cpu.create(&[("the tile table", tiles)]).await.expect(made)[0], tiles);
    (batch.token_tiling, batch.row_tiling) = (tiling, tiling);
    let backward = Backward::create(cpu, &sizes, &dims, &batch).await.expect(made);
    let own = Parameters::create(cpu, config).await.expect(made);
    let gradients = Parameters::create(cpu, config).await.expect(made);

    let packed = pack(config, &weights(config, 40));
    let mut rec = Recording::default();
    for (buffer, values) in [
        (own.router, packed.router),
        (own.router_bias, packed.router_bias),
        (own.w_in, packed.w_in),
        (own.b_in, packed.b_in),
        (own.w_out, packed.w_out),
        (own.b_out, packed.b_out),
        (own.embedding, packed.embedding),
        (own.thresholds, packed.thresholds),
        (own.arms, packed.arms),
        (batch.ends(true).given, pad_rows(&tokens(config, 40, count), config.d_model)),
        (backward.ends(true).given, pad_rows(&d_output(config, 40, count), config.d_model)),
    ] {
        rec.upload(buffer, values);
    }
    rec.upload(own.widths, widths(config));
    rec.upload(own.constants, router::constants(config));
    let given = router::labels(config, &labels(config, count), count, true).expect("the labels that the router wants");
    if let Some(labels) = given {
        rec.upload(batch.labels, labels);
    }
    if sizes.rewards {
        rec.upload(backward.reward, noise(40, 3, count));
    }
    if let Some(places) = router::shuffled(config, count, true, (1, 0)) {
        rec.upload(batch.places, places);
    }
    let pass = ForwardPass { train: true, drawn: false, keep: Some(backward.before) };
    record_forward(&mut rec, config, dims, &batch, &own, pass);
    record_losses(&mut rec, config, dims, &batch, true);
    let of = Gradient { train: true, kept: true, rewarded: sizes.rewards };
    record_backward(&mut rec, config, dims, (&batch, &backward), (&own, &gradients), of);
    record_sgd(&mut rec, config, &own, &gradients, 0.1);
    rec
}
