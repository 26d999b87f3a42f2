//! A GPU that goes away.

use std::rc::Rc;

use webmoe::config::{LayerConfig, RouterConfig, TopK};
use webmoe::engine::Engine;
use webmoe::error::Error;
use webmoe::session::{ForwardOptions, Runtime};

use super::super::engine::{another, layer};
use super::super::inputs::tokens;

pub async fn a_lost_device_is_an_error_and_not_a_panic(engine: &Rc<Engine>) {
    let doomed = another(engine).await;
    let Engine::Gpu(gpu) = &*doomed else { panic!("the claim is about GPUs") };
    let config = LayerConfig::new(6, 5, 4, RouterConfig::TopK(TopK::new(2)));
    let mut layer = layer(&doomed, &config).await;
    let x = tokens(&config, 30, 8);
    layer.forward(&x, &ForwardOptions::default()).await.expect("a device that works");
    let told = gpu.when_lost();
    gpu.lose();
    let (reason, _) = told.await;
    assert_eq!(reason, "destroyed");

    let lost = |error: Error| assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    lost(layer.forward(&x, &ForwardOptions::default()).await.expect_err("no device"));
    lost(layer.forward(&x[..6 * 4], &ForwardOptions::default()).await.expect_err("nor one for another batch"));
    lost(layer.weights().await.expect_err("no device to read from"));
    let created = Runtime::sharing(doomed.clone()).create_layer(config).await;
    lost(created.map(drop).expect_err("no device for a layer"));
    drop(layer);
    assert_eq!(doomed.counters().buffers, 0, "nothing is held");
}
